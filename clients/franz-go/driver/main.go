// Driver for franz-go (see matrix/driver.py).
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/clients/go/driver"
)

// client is what the driver keeps between requests.
type client struct {
	*driver.Lines
	bootstrap string
	members   map[string]*member
	groups    map[string]string
}

func main() {
	c := client{bootstrap: os.Args[1], members: make(map[string]*member), groups: make(map[string]string)}
	driver.Serve(func(lines *driver.Lines, words []string) error {
		c.Lines = lines
		ctx, cancel := context.WithTimeout(context.Background(), driver.AnswerMax)
		defer cancel()
		return c.serve(ctx, words)
	})
}

func (c *client) serve(ctx context.Context, words []string) error {
	switch words[0] {
	case "create":
		partitions, err := strconv.Atoi(words[2])
		if err != nil {
			return err
		}
		return c.create(ctx, words[1], int32(partitions))
	case "produce":
		request, err := driver.ParseProduce(words)
		if err != nil {
			return err
		}
		return c.produce(ctx, request)
	case "consume":
		request, err := driver.ParseConsume(words)
		if err != nil {
			return err
		}
		return c.consume(ctx, request)
	}
	return c.group(ctx, words)
}

func (c *client) create(ctx context.Context, topic string, partitions int32) error {
	kafka, err := kgo.NewClient(kgo.SeedBrokers(c.bootstrap))
	if err != nil {
		return err
	}
	defer kafka.Close()
	_, err = kadm.NewClient(kafka).CreateTopic(ctx, partitions, 1, nil, topic)
	return err
}

func (c *client) produce(ctx context.Context, request driver.Produce) error {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	options := []kgo.Opt{kgo.SeedBrokers(c.bootstrap), kgo.ProducerBatchCompression(codecs[request.Codec]),
		kgo.ProducerBatchMaxBytes(driver.RecordBytesMax), kgo.ProducerLinger(5 * time.Millisecond)}
	if !request.Idempotent {
		// One request in flight keeps the order when it is repeated.
		options = append(options, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
	}
	kafka, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer kafka.Close()
	var headers []kgo.RecordHeader
	for _, header := range request.Headers {
		headers = append(headers, kgo.RecordHeader{Key: header.Name, Value: []byte(header.Value)})
	}
	answers := make([]string, request.Count)
	place := 0
	err = c.Records(request.Count, func(key, value string) error {
		at := place
		place++
		record := &kgo.Record{Topic: request.Topic, Key: []byte(key), Value: []byte(value), Headers: headers}
		kafka.Produce(ctx, record, func(r *kgo.Record, err error) {
			answers[at] = driver.Produced(r.Partition, r.Offset, err)
		})
		return nil
	})
	if err != nil {
		return err
	}
	if err := kafka.Flush(ctx); err != nil {
		return err
	}
	for _, answer := range answers {
		c.Print(answer)
	}
	return nil
}

func (c *client) consume(ctx context.Context, request driver.Consume) error {
	offsets := make(map[int32]kgo.Offset)
	for _, start := range request.Starts {
		offsets[start.Partition] = kgo.NewOffset().At(start.Offset)
	}
	assigned := map[string]map[int32]kgo.Offset{request.Topic: offsets}
	kafka, err := kgo.NewClient(kgo.SeedBrokers(c.bootstrap), kgo.ConsumePartitions(assigned),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	if err != nil {
		return err
	}
	defer kafka.Close()
	for read := 0; read < request.Count; {
		fetches := kafka.PollFetches(ctx)
		for _, failure := range fetches.Errors() {
			return fmt.Errorf("%d of %d records read: %w", read, request.Count, failure.Err)
		}
		fetches.EachRecord(c.print)
		read += fetches.NumRecords()
	}
	return nil
}

func (c *client) print(record *kgo.Record) {
	var headers []driver.Header
	for _, header := range record.Headers {
		headers = append(headers, driver.Header{Name: header.Key, Value: string(header.Value)})
	}
	c.PrintRecord(record.Partition, record.Offset, record.Key, headers, record.Value)
}
