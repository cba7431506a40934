"""What there is: ApiVersions, Metadata, CreateTopics, DeleteTopics."""
