"""The Streamlit front end, nothing else: pages ask the records, the worker does the work.

`images`, `result_view`, `trend_view` and `system_view` know no Streamlit and are tested as plain functions;
`components` draw them; `app_pages` put them together; `state` holds every session key; `services` the shared objects.
"""
