"""The pages, as `st.navigation` runs them: each is one reading from top to bottom."""
