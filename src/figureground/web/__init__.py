"""The explorer: one page in the browser, on this machine; what it answers stands in functions that know no page."""
