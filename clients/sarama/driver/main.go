// Driver for sarama (see matrix/driver.py).
package main

import (
	"bufio"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

const (
	answerMax       = 60 * time.Second
	recordBytesMax  = 2_000_000
	lineBytesMax    = 4 << 20
	requestBytes    = 1 << 20
	recordsPerBatch = 1000
	// An idle fetch would keep a record from being read until it ends.
	fetchWaitMax = 100 * time.Millisecond
)

type driver struct {
	bootstrap []string
	in        *bufio.Scanner
	out       *bufio.Writer
	members   map[string]*member
}

func main() {
	// Standard error is the driver's log: it tells why sarama sent something again.
	sarama.Logger = log.New(os.Stderr, "", log.LstdFlags|log.Lmicroseconds)
	d := driver{[]string{os.Args[1]}, bufio.NewScanner(os.Stdin), bufio.NewWriterSize(os.Stdout, 1<<20), make(map[string]*member)}
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
	case "create":
		partitions, err := strconv.Atoi(words[2])
		if err != nil {
			return err
		}
		return d.create(words[1], int32(partitions))
	case "produce":
		return d.produce(words[1], words[2], words[3] == "true", words[4], words[5])
	case "consume":
		return d.consume(words[1], words[2], words[3:])
	}
	return d.group(words)
}

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Consumer.MaxWaitTime = fetchWaitMax
	c.Consumer.Return.Errors = true
	return c
}

func (d *driver) create(topic string, partitions int32) error {
	admin, err := sarama.NewClusterAdmin(d.bootstrap, config())
	if err != nil {
		return err
	}
	defer admin.Close()
	return admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false)
}

func (d *driver) produce(topic, codec string, idempotent bool, count, headers string) error {
	codecs := map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	}
	c := config()
	c.Producer.Compression = codecs[codec]
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.MaxMessageBytes = recordBytesMax
	c.Producer.Return.Successes = true
	c.Producer.Flush.MaxMessages = recordsPerBatch
	c.Producer.Idempotent = idempotent
	// One request in flight keeps the order when it is repeated; sarama asks for it with idempotence too.
	c.Net.MaxOpenRequests = 1
	messages, err := d.records(topic, count, headers)
	if err != nil {
		return err
	}
	producer, err := sarama.NewSyncProducer(d.bootstrap, c)
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
		if err := refused[message]; err != nil {
			fmt.Fprintf(d.out, "error\t%s\n", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Fprintf(d.out, "%d\t%d\n", message.Partition, message.Offset)
		}
	}
	return nil
}

func (d *driver) records(topic, count, headers string) ([]*sarama.ProducerMessage, error) {
	var pairs []sarama.RecordHeader
	for _, header := range strings.Split(headers, ",") {
		name, value, _ := strings.Cut(header, "=")
		pairs = append(pairs, sarama.RecordHeader{Key: []byte(name), Value: []byte(value)})
	}
	total, err := strconv.Atoi(count)
	if err != nil {
		return nil, err
	}
	messages := make([]*sarama.ProducerMessage, 0, total)
	for len(messages) < total && d.in.Scan() {
		key, value, _ := strings.Cut(d.in.Text(), "\t")
		messages = append(messages, &sarama.ProducerMessage{
			Topic: topic, Key: sarama.StringEncoder(key), Value: sarama.StringEncoder(value), Headers: pairs})
	}
	return messages, d.in.Err()
}

func (d *driver) consume(topic, count string, starts []string) error {
	total, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	consumer, err := sarama.NewConsumer(d.bootstrap, config())
	if err != nil {
		return err
	}
	defer consumer.Close()
	found := make(chan *sarama.ConsumerMessage, recordsPerBatch)
	failed := make(chan error, 1)
	for _, start := range starts {
		place, err := numbers(strings.Split(start, ":"))
		if err != nil {
			return err
		}
		claim, err := consumer.ConsumePartition(topic, int32(place[0]), place[1])
		if err != nil {
			return err
		}
		defer claim.AsyncClose()
		go forward(claim, found, failed)
	}
	late := time.After(answerMax)
	for read := 0; read < total; read++ {
		select {
		case message := <-found:
			d.print(message)
		case err := <-failed:
			return fmt.Errorf("%d of %d records read: %w", read, total, err)
		case <-late:
			return fmt.Errorf("%d of %d records after %s", read, total, answerMax)
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
			case <-time.After(answerMax):
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

func (d *driver) print(message *sarama.ConsumerMessage) {
	var headers []string
	for _, header := range message.Headers {
		headers = append(headers, string(header.Key)+"="+string(header.Value))
	}
	fmt.Fprintf(d.out, "%d\t%d\t%s\t%s\t%s\n",
		message.Partition, message.Offset, message.Key, strings.Join(headers, ","), message.Value)
}

func numbers(words []string) ([]int64, error) {
	var found []int64
	for _, word := range words {
		number, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return nil, err
		}
		found = append(found, number)
	}
	return found, nil
}
