"""The bridge to the LMS: its folders of hand-ins into the ledger, and out again."""
