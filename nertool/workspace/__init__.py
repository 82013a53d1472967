"""The workspace directory, the contract between the stages: records, staleness, publishing all or nothing."""
