"""`mmflow explain`: the page of a diagnostic."""
