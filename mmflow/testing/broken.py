"""The promises that a plugin keeps, each by the name of what breaks it, and the error that says so."""

PROMISES = {
    # ---- of every word
    "blocks the loop": "it waits by `await`, and computes for no longer than a moment at a time",
    "swallows cancellation": "a caller who goes away ends it: `CancelledError` goes through",
    "leaves tasks": "what it began is over when it returns, raises or is cancelled",
    "never ends": "it ends by itself",
    "mutates the request": "what it is given stays as it was",
    "depends on order": "what came before, or goes on beside it, changes no answer",
    # ---- of a provider
    "returns what is no Reply": "`complete` returns a `Reply`",
    "raises what is no CallError": "what goes wrong is a `CallError`",
    "misreads the answer": "the reply says what the server said, all of it",
    "takes a cut answer for a whole": "an answer that breaks off is an error",
    "hides a 429": "a refusal for the rate is of the class `429`, says how long to wait, and is not sent again by itself",
    "hides a failure": "what fails raises, with the class of what happened",
    "leaks a key": "no secret stands in an error",
    "invents usage": "`usage` is what the server reports, and None where it reports none",
    "usage is negative": "no count of tokens is below 0",
    "streams another answer": "the sum of the pieces is the text that is returned",
    "does not wait for the caller": "each piece is awaited before the next",
    "emits after the end": "nothing is emitted once `complete` is over",
    # ---- of a classifier and a scorer
    "never answers": "it answers at least one of the texts that it is tried with",
    "returns what is no Guess": "`classify` returns a `Guess`",
    "label outside of the declared": "the label is one of those that the block declares",
    "confidence outside of 0..1": "the confidence is a number from 0 to 1",
    "more confident than it says": "`most_confident` bounds the confidence",
    "score outside of 0..1": "a score is a number from 0 to 1",
    "impure": "the same question gets the same answer: no clock, no randomness of its own",
    "asks past its bounds": "it asks the models that its options name, each once, for at most `OPINION_OUTPUT_TOKENS`",
    # ---- of a strategy
    "returns what is no Answered": "`answer` returns an `Answered`",
    "has no sound summary": "`calls` gives a `Calls` of at least one call, the same for the same options",
    "asks past its summary": "it makes the calls that `calls` declares and no more",
    "asks whom it was not given": "it asks its targets, and the scorers that its options name",
    "invents an answer": "it answers with what one of its calls gave",
    "does not take the first": "with `first_wins`, the first answer that comes is taken",
    # ---- of a pick
    "loses every member": "an order of members has one at least",
    "invents a member": "an order has members of the tier only",
    "tries a member twice": "an order has each member once",
}
"""What breaks a promise, and the promise."""


class BrokenPromise(AssertionError):
    """A plugin breaks a promise; `promise` is its name in `PROMISES`, and `how` says what happened."""

    def __init__(self, who: str, promise: str, how: str) -> None:
        super().__init__(f"{who} {_CLAUSES.get(promise, promise)}: {how}\n  the promise: {PROMISES[promise]}")
        self.who, self.promise, self.how = who, promise, how


_CLAUSES = {
    "usage is negative": "reports usage that is negative",
    "label outside of the declared": "gives a label outside of the declared",
    "confidence outside of 0..1": "gives a confidence outside of 0..1",
    "score outside of 0..1": "gives a score outside of 0..1",
    "impure": "is impure",
    "more confident than it says": "is more confident than it says",
}
