module millrace/clients/librdkafka-oldest

go 1.26.0

// Brings librdkafka 1.8.2 built, the oldest that speaks to Kafka 4 (KIP-896).
require github.com/confluentinc/confluent-kafka-go v1.8.2

// What the drivers in Go share, from this repository.
require millrace/clients/go v0.0.0

replace millrace/clients/go => ../go
