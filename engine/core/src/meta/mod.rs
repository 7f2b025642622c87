//! Metadata: records, their log, the image they build and the changes that make them.
