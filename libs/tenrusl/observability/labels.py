"""Values of labels, of which there must be few: each is a time series more, in every process and for good."""

OTHER = "other"


class LabelLimit:
    """Lets the first `limit` different values through; those that come later are OTHER."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        """The label's value."""
        if value in self._seen:
            return value
        if len(self._seen) >= self._limit:
            return OTHER
        self._seen.add(value)
        return value
