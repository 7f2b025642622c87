// Driver for sarama (see matrix/driver.py).
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"millrace/clients/go/driver"
)

const recordsPerBatch = 1000

// client is what the driver keeps between requests.
type client struct {
	*driver.Lines
	bootstrap []string
	members   map[string]*member
}

func main() {
	// Standard error is the driver's log: it tells why sarama sent something again.
	sarama.Logger = log.New(os.Stderr, "", log.LstdFlags|log.Lmicroseconds)
	c := client{bootstrap: []string{os.Args[1]}, members: make(map[string]*member)}
	driver.Serve(func(lines *driver.Lines, words []string) error {
		c.Lines = lines
		return c.serve(words)
	})
}

func (c *client) serve(words []string) error {
	switch words[0] {
	case "create":
		partitions, err := strconv.Atoi(words[2])
		if err != nil {
			return err
		}
		return c.create(words[1], int32(partitions))
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

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Consumer.MaxWaitTime = driver.FetchWaitMax
	c.Consumer.Return.Errors = true
	return c
}

func (c *client) create(topic string, partitions int32) error {
	admin, err := sarama.NewClusterAdmin(c.bootstrap, config())
	if err != nil {
		return err
	}
	defer admin.Close()
	return admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false)
}

func (c *client) produce(request driver.Produce) error {
	codecs := map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	}
	settings := config()
	settings.Producer.Compression = codecs[request.Codec]
	settings.Producer.RequiredAcks = sarama.WaitForAll
	settings.Producer.MaxMessageBytes = driver.RecordBytesMax
	settings.Producer.Return.Successes = true
	settings.Producer.Flush.MaxMessages = recordsPerBatch
	settings.Producer.Idempotent = request.Idempotent
	// One request in flight keeps the order when it is repeated; sarama asks for it with idempotence too.
	settings.Net.MaxOpenRequests = 1
	messages, err := c.messages(request)
	if err != nil {
		return err
	}
	producer, err := sarama.NewSyncProducer(c.bootstrap, settings)
	if err != nil {
		return err
	}
	defer producer.Close()
	refused := make(map[*sarama.ProducerMessage]error)
	var failures sarama.ProducerErrors
	if err := producer.SendMessages(messages); errors.As(err, &failures) {
		for _, failure := range failures {
			refused[failure.Msg] = failure.Err
		}
	} else if err != nil {
		return err
	}
	for _, message := range messages {
		c.Print(driver.Produced(message.Partition, message.Offset, refused[message]))
	}
	return nil
}

func (c *client) messages(request driver.Produce) ([]*sarama.ProducerMessage, error) {
	var headers []sarama.RecordHeader
	for _, header := range request.Headers {
		headers = append(headers, sarama.RecordHeader{Key: []byte(header.Name), Value: []byte(header.Value)})
	}
	messages := make([]*sarama.ProducerMessage, 0, request.Count)
	err := c.Records(request.Count, func(key, value string) error {
		messages = append(messages, &sarama.ProducerMessage{
			Topic: request.Topic, Key: sarama.StringEncoder(key), Value: sarama.StringEncoder(value), Headers: headers})
		return nil
	})
	return messages, err
}

func (c *client) consume(request driver.Consume) error {
	consumer, err := sarama.NewConsumer(c.bootstrap, config())
	if err != nil {
		return err
	}
	defer consumer.Close()
	found := make(chan *sarama.ConsumerMessage, recordsPerBatch)
	failed := make(chan error, 1)
	for _, start := range request.Starts {
		claim, err := consumer.ConsumePartition(request.Topic, start.Partition, start.Offset)
		if err != nil {
			return err
		}
		defer claim.AsyncClose()
		go forward(claim, found, failed)
	}
	late := time.After(driver.AnswerMax)
	for read := 0; read < request.Count; read++ {
		select {
		case message := <-found:
			c.print(message)
		case err := <-failed:
			return fmt.Errorf("%d of %d records read: %w", read, request.Count, err)
		case <-late:
			return fmt.Errorf("%d of %d records after %s", read, request.Count, driver.AnswerMax)
		}
	}
	return nil
}

func forward(claim sarama.PartitionConsumer, found chan<- *sarama.ConsumerMessage, failed chan<- error) {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return
			}
			select {
			case found <- message:
			case <-time.After(driver.AnswerMax):
				return
			}
		case err, open := <-claim.Errors():
			if open && err != nil {
				failed <- err
			}
			return
		}
	}
}

func (c *client) print(message *sarama.ConsumerMessage) {
	var headers []driver.Header
	for _, header := range message.Headers {
		headers = append(headers, driver.Header{Name: string(header.Key), Value: string(header.Value)})
	}
	c.PrintRecord(message.Partition, message.Offset, message.Key, headers, message.Value)
}
