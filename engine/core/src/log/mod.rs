//! A partition's log: batches, records, segments, indexes, epochs and producer windows.
