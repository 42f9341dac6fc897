"""HTTP shell: routes, envelopes and limits of the REST API."""
