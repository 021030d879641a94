"""All that knows PlanetScale: URLs, paging, errors, the request budget, what an answer looks like."""
