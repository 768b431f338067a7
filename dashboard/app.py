"""Entry point of the dashboard: page frame, navigation, and what stands on every page."""

import streamlit as st

from dashboard.components.notices import mend_contrast, show_error, show_research_use, show_server_trouble
from dashboard.services import get_services, model_health
from sarcopenia.domain.errors import SarcopeniaError

st.set_page_config(page_title="Sarcopenia Dashboard", page_icon="🦴", layout="wide")

navigation = st.navigation(
    [
        st.Page("app_pages/upload.py", title="Upload", icon=":material/upload_file:", url_path="upload", default=True),
        st.Page("app_pages/worklist.py", title="Worklist", icon=":material/checklist:", url_path="worklist"),
        st.Page("app_pages/review.py", title="Review", icon=":material/rate_review:", url_path="review"),
        st.Page("app_pages/patient.py", title="Patient", icon=":material/monitoring:", url_path="patient"),
        st.Page("app_pages/preop.py", title="Pre-op", icon=":material/surgical:", url_path="preop"),
        st.Page("app_pages/agreement.py", title="Agreement", icon=":material/balance:", url_path="agreement"),
        st.Page("app_pages/cohort.py", title="Cohort", icon=":material/groups:", url_path="cohort"),
        st.Page("app_pages/system.py", title="System", icon=":material/dns:", url_path="system"),
    ],
    position="top",
)
mend_contrast()
show_research_use()
try:
    get_services()
except SarcopeniaError as error:
    show_error(error)
    st.stop()
show_server_trouble(model_health())
navigation.run()
