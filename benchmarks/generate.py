"""Workflow files of any length, of the kind that a company with many teams has: each team its models, its policy and its flow."""

HEAD = """\
mmflow 1

param deadline = 20s

## Our own machines.
provider own using openai_compatible {
  url = "http://llm.internal:8000/v1"
  zone = own
  region = eu
  timeout = { connect = 500ms, first_token = 2s, total = 6s }
}

provider hosted using openai_compatible {
  url = "https://llm.example.com/v1"
  key = secret("HOSTED_API_KEY")
}

## Where requests go while it is down.
provider spare_host using openai_compatible {
  url = "https://spare.example.com/v1"
  key = secret("SPARE_API_KEY")
}
"""

TEAM = """
# ---- team {n} ----------------------------------------------------------------

model small_{n} {{
  provider = own
  id = "small-{n}"
  price = {{ input = $0.{cents:02}/1M, output = $0.{cents:02}/1M }}
  context = 128k
  latency = {{ first_token = 90ms, p95 = 420ms }}
  quality = 0.70
}}

model medium_{n} like small_{n} {{
  provider = hosted
  id = "medium-{n}"
  price = {{ input = $1.{cents:02}/1M, output = $4/1M }}
  latency = {{ first_token = 200ms, p95 = 1.4s }}
  quality = 0.82
}}

model large_{n} like medium_{n} {{
  id = "large-{n}"
  price = {{ input = $5/1M, output = $15/1M }}
  quality = 0.93
}}

model spare_{n} like large_{n} {{ provider = spare_host }}

tier fast_{n} {{
  models = [small_{n}, medium_{n}]
  pick = cheapest
  min_quality = 0.70
  max_p95 = 2s
}}

classify task_{n} using keywords {{
  labels = [code, math, other]
  patterns = {{ code = ["```", "stack trace", "team {n}"], math = ["prove", "integral"] }}
  unsure = other
}}

classify complexity_{n} using heuristic {{
  labels = low < medium < high
  confidence = 0.6
  unsure = up  # not sure: ask the better model
}}

scorer length_{n} using length {{ min = {min} }}

cascade answer_{n} {{
  steps = [fast_{n}, medium_{n}, large_{n}]
  accept = length_{n} >= 0.5
  allow = [late_first_token("answers are read by programs")]
}}

fallback code_{n} {{
  try = [large_{n}, spare_{n}]
  on = [429, 5xx, timeout]
  retry = {{ times = 1, backoff = 200ms }}
}}

split trial_{n} {{
  10% -> medium_{n}
  else -> large_{n}
  sticky = request.user
}}

flow team_{n} {{
  deadline = deadline
  max_input = 8k
  max_output = 1k

  when task_{n} == code -> code_{n}
  when task_{n} == math and request.tokens > 2k -> large_{n} with {{ deadline = 18s }}
  when complexity_{n} >= high or request.has_images -> trial_{n}
  else -> answer_{n}
}}
"""


def workflow(lines: int) -> str:
    """A file of whole teams with at least this many lines, none of which a check objects to."""
    text, number = HEAD, 0
    while text.count("\n") < lines:
        number += 1
        text += TEAM.format(n=number, cents=1 + number % 99, min=20 + number)
    return text
