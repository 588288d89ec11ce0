"""`litellm.Router` doing the exchange of `call.py`, in an environment of its own: `python litellm_router.py URL QUESTION`.

It prints a line when it is ready; then, for each line of its standard input with a number of calls, the CPU of one, in seconds.
"""

import asyncio
import os
import sys
import time


async def serve(url: str, question: str) -> None:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it fetches its prices from the network
    import litellm

    litellm.suppress_debug_info = True
    parameters = {"model": "openai/mock", "api_base": url, "api_key": "none"}
    router = litellm.Router(model_list=[{"model_name": "mock", "litellm_params": parameters}])
    messages = [{"role": "user", "content": question}]
    for _ in range(5):
        reply = await router.acompletion("mock", messages=messages)
    print(repr(reply.choices[0].message.content), flush=True)
    for line in iter(sys.stdin.readline, ""):
        before = time.process_time()
        for _ in range(int(line)):
            await router.acompletion("mock", messages=messages)
        # What it leaves to the loop for later is a part of the call.
        await asyncio.sleep(0.05)
        print((time.process_time() - before) / int(line), flush=True)


if __name__ == "__main__":
    try:
        from uvloop import run
    except ImportError:
        from asyncio import run
    run(serve(*sys.argv[1:]))
