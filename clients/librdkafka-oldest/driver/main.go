// Driver for librdkafka 1.8.2, the oldest that speaks to Kafka 4, in Go (see matrix/driver.py).
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/kafka"
)

const (
	answerMax      = 60 * time.Second
	recordBytesMax = 2_000_000
	lineBytesMax   = 4 << 20
	requestBytes   = 1 << 20
	pollMs         = 200
)

type driver struct {
	bootstrap string
	in        *bufio.Scanner
	out       *bufio.Writer
	members   map[string]*member
}

func main() {
	d := driver{os.Args[1], bufio.NewScanner(os.Stdin), bufio.NewWriterSize(os.Stdout, 1<<20), make(map[string]*member)}
	d.in.Buffer(make([]byte, requestBytes), lineBytesMax)
	for d.in.Scan() {
		words := strings.Split(d.in.Text(), " ")
		if err := d.serve(words); err != nil {
			fmt.Fprintf(d.out, "failed %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Fprintln(d.out, "done")
		}
		d.out.Flush()
	}
}

func (d *driver) serve(words []string) error {
	switch words[0] {
	case "create", "grow":
		partitions, err := strconv.Atoi(words[2])
		if err != nil {
			return err
		}
		return d.admin(words[0], words[1], partitions)
	case "produce":
		count, err := strconv.Atoi(words[4])
		if err != nil {
			return err
		}
		return d.produce(words[1], words[2], words[3] == "true", count, words[5])
	case "consume":
		count, err := strconv.Atoi(words[2])
		if err != nil {
			return err
		}
		return d.consume(words[1], count, words[3:])
	}
	return d.group(words)
}

// config gives the common settings and these.
func (d *driver) config(settings kafka.ConfigMap) *kafka.ConfigMap {
	all := kafka.ConfigMap{"bootstrap.servers": d.bootstrap, "message.max.bytes": recordBytesMax}
	for name, value := range settings {
		all[name] = value
	}
	return &all
}

func (d *driver) admin(verb, topic string, partitions int) error {
	admin, err := kafka.NewAdminClient(d.config(nil))
	if err != nil {
		return err
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), answerMax)
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

func (d *driver) produce(topic, codec string, idempotent bool, count int, headers string) error {
	var pairs []kafka.Header
	for _, header := range strings.Split(headers, ",") {
		name, value, _ := strings.Cut(header, "=")
		pairs = append(pairs, kafka.Header{Key: name, Value: []byte(value)})
	}
	// Several batches in each partition, and no way for a retry to change the order.
	inFlight := 1
	if idempotent {
		inFlight = 5
	}
	producer, err := kafka.NewProducer(d.config(kafka.ConfigMap{
		"compression.codec": codec, "enable.idempotence": idempotent, "max.in.flight": inFlight, "batch.num.messages": 1000}))
	if err != nil {
		return err
	}
	defer producer.Close()
	delivered := make(chan kafka.Event, count)
	for place := 0; place < count && d.in.Scan(); place++ {
		key, value, _ := strings.Cut(d.in.Text(), "\t")
		message := kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny},
			Key:            []byte(key), Value: []byte(value), Headers: pairs, Opaque: place}
		if err := producer.Produce(&message, delivered); err != nil {
			return err
		}
	}
	answers := make([]string, count)
	late := time.After(answerMax)
	for range count {
		select {
		case event := <-delivered:
			message, isMessage := event.(*kafka.Message)
			if !isMessage {
				return fmt.Errorf("no delivery report: %s", event)
			}
			answers[message.Opaque.(int)] = answer(message)
		case <-late:
			return fmt.Errorf("records without an answer after %s", answerMax)
		}
	}
	for _, answer := range answers {
		fmt.Fprintln(d.out, answer)
	}
	return nil
}

func answer(message *kafka.Message) string {
	if err := message.TopicPartition.Error; err != nil {
		return "error\t" + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	return fmt.Sprintf("%d\t%d", message.TopicPartition.Partition, message.TopicPartition.Offset)
}

func (d *driver) consume(topic string, count int, starts []string) error {
	consumer, err := kafka.NewConsumer(d.config(kafka.ConfigMap{
		"group.id": "unused", "enable.auto.commit": false, "check.crcs": true, "auto.offset.reset": "error",
		"fetch.message.max.bytes": recordBytesMax}))
	if err != nil {
		return err
	}
	// It waits for ten seconds, whatever happens.
	defer func() { go consumer.Close() }()
	places, err := placesOf(topic, starts)
	if err != nil {
		return err
	}
	if err := consumer.Assign(places); err != nil {
		return err
	}
	deadline := time.Now().Add(answerMax)
	for read := 0; read < count; {
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d records after %s", read, count, answerMax)
		}
		switch event := consumer.Poll(pollMs).(type) {
		case *kafka.Message:
			if err := event.TopicPartition.Error; err != nil {
				return err
			}
			d.print(event)
			read++
		case kafka.Error:
			return event
		}
	}
	return nil
}

func (d *driver) print(message *kafka.Message) {
	var headers []string
	for _, header := range message.Headers {
		headers = append(headers, header.Key+"="+string(header.Value))
	}
	place := message.TopicPartition
	fmt.Fprintf(d.out, "%d\t%d\t%s\t%s\t%s\n", place.Partition, place.Offset, message.Key, strings.Join(headers, ","), message.Value)
}

// placesOf reads words PARTITION, PARTITION:OFFSET or PARTITION:OFFSET:METADATA; the offset may be `stored`.
func placesOf(topic string, words []string) ([]kafka.TopicPartition, error) {
	var places []kafka.TopicPartition
	for _, word := range words {
		parts := strings.SplitN(word, ":", 3)
		partition, err := strconv.Atoi(parts[0])
		if err != nil {
			return nil, err
		}
		place := kafka.TopicPartition{Topic: &topic, Partition: int32(partition), Offset: kafka.OffsetStored}
		if len(parts) > 1 && parts[1] != "stored" {
			offset, err := strconv.ParseInt(parts[1], 10, 64)
			if err != nil {
				return nil, err
			}
			place.Offset = kafka.Offset(offset)
		}
		if len(parts) > 2 {
			place.Metadata = &parts[2]
		}
		places = append(places, place)
	}
	return places, nil
}
