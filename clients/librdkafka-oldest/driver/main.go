// Driver for librdkafka 1.8.2, the oldest that speaks to Kafka 4, in Go (see matrix/driver.py).
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/confluentinc/confluent-kafka-go/kafka"

	"millrace/clients/go/driver"
)

const pollMs = 200

// client is what the driver keeps between requests.
type client struct {
	*driver.Lines
	bootstrap string
	members   map[string]*member
}

func main() {
	c := client{bootstrap: os.Args[1], members: make(map[string]*member)}
	driver.Serve(func(lines *driver.Lines, words []string) error {
		c.Lines = lines
		return c.serve(words)
	})
}

func (c *client) serve(words []string) error {
	switch words[0] {
	case "create", "grow":
		partitions, err := strconv.Atoi(words[2])
		if err != nil {
			return err
		}
		return c.admin(words[0], words[1], partitions)
	case "produce":
		request, err := driver.ParseProduce(words)
		if err != nil {
			return err
		}
		return c.produce(request)
	case "consume":
		request, err := driver.ParseConsume(words)
		if err != nil {
			return err
		}
		return c.consume(request)
	}
	return c.group(words)
}

// config gives the common settings and these.
func (c *client) config(settings kafka.ConfigMap) *kafka.ConfigMap {
	all := kafka.ConfigMap{"bootstrap.servers": c.bootstrap, "message.max.bytes": driver.RecordBytesMax}
	for name, value := range settings {
		all[name] = value
	}
	return &all
}

func (c *client) admin(verb, topic string, partitions int) error {
	admin, err := kafka.NewAdminClient(c.config(nil))
	if err != nil {
		return err
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), driver.AnswerMax)
	defer cancel()
	var results []kafka.TopicResult
	if verb == "create" {
		results, err = admin.CreateTopics(ctx, []kafka.TopicSpecification{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}})
	} else {
		results, err = admin.CreatePartitions(ctx, []kafka.PartitionsSpecification{{Topic: topic, IncreaseTo: partitions}})
	}
	for _, result := range results {
		if result.Error.Code() != kafka.ErrNoError {
			return result.Error
		}
	}
	return err
}

func (c *client) produce(request driver.Produce) error {
	var headers []kafka.Header
	for _, header := range request.Headers {
		headers = append(headers, kafka.Header{Key: header.Name, Value: []byte(header.Value)})
	}
	// Several batches in each partition, and no way for a retry to change the order.
	inFlight := 1
	if request.Idempotent {
		inFlight = 5
	}
	producer, err := kafka.NewProducer(c.config(kafka.ConfigMap{"compression.codec": request.Codec,
		"enable.idempotence": request.Idempotent, "max.in.flight": inFlight, "batch.num.messages": 1000}))
	if err != nil {
		return err
	}
	defer producer.Close()
	delivered := make(chan kafka.Event, request.Count)
	place := 0
	err = c.Records(request.Count, func(key, value string) error {
		message := kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &request.Topic, Partition: kafka.PartitionAny},
			Key:            []byte(key), Value: []byte(value), Headers: headers, Opaque: place}
		place++
		return producer.Produce(&message, delivered)
	})
	if err != nil {
		return err
	}
	answers := make([]string, request.Count)
	late := time.After(driver.AnswerMax)
	for range request.Count {
		select {
		case event := <-delivered:
			message, isMessage := event.(*kafka.Message)
			if !isMessage {
				return fmt.Errorf("no delivery report: %s", event)
			}
			at := message.TopicPartition
			answers[message.Opaque.(int)] = driver.Produced(at.Partition, int64(at.Offset), at.Error)
		case <-late:
			return fmt.Errorf("records without an answer after %s", driver.AnswerMax)
		}
	}
	for _, answer := range answers {
		c.Print(answer)
	}
	return nil
}

func (c *client) consume(request driver.Consume) error {
	consumer, err := kafka.NewConsumer(c.config(kafka.ConfigMap{
		"group.id": "unused", "enable.auto.commit": false, "check.crcs": true, "auto.offset.reset": "error",
		"fetch.message.max.bytes": driver.RecordBytesMax}))
	if err != nil {
		return err
	}
	// It waits for ten seconds, whatever happens.
	defer func() { go consumer.Close() }()
	if err := consumer.Assign(positions(request.Topic, request.Starts)); err != nil {
		return err
	}
	deadline := time.Now().Add(driver.AnswerMax)
	for read := 0; read < request.Count; {
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d records after %s", read, request.Count, driver.AnswerMax)
		}
		switch event := consumer.Poll(pollMs).(type) {
		case *kafka.Message:
			if err := event.TopicPartition.Error; err != nil {
				return err
			}
			c.print(event)
			read++
		case kafka.Error:
			return event
		}
	}
	return nil
}

func (c *client) print(message *kafka.Message) {
	var headers []driver.Header
	for _, header := range message.Headers {
		headers = append(headers, driver.Header{Name: header.Key, Value: string(header.Value)})
	}
	place := message.TopicPartition
	c.PrintRecord(place.Partition, int64(place.Offset), message.Key, headers, message.Value)
}

// positions are places as this client names them.
func positions(topic string, places []driver.Place) []kafka.TopicPartition {
	var found []kafka.TopicPartition
	for _, place := range places {
		position := kafka.TopicPartition{Topic: &topic, Partition: place.Partition, Offset: kafka.Offset(place.Offset)}
		if place.Offset == driver.Stored {
			position.Offset = kafka.OffsetStored
		}
		if place.Metadata != "" {
			position.Metadata = &place.Metadata
		}
		found = append(found, position)
	}
	return found
}
