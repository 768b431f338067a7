"""Core library: what the product knows about muscle on CT. No Streamlit, no torch, no training."""
