// Driver for franz-go (see matrix/driver.py).
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	answerMax     = 60 * time.Second
	batchBytesMax = 2_000_000
	lineBytesMax  = 4 << 20
	requestBytes  = 1 << 20
)

type driver struct {
	bootstrap string
	in        *bufio.Scanner
	out       *bufio.Writer
	members   map[string]*member
	groups    map[string]string
}

func main() {
	d := driver{os.Args[1], bufio.NewScanner(os.Stdin), bufio.NewWriterSize(os.Stdout, 1<<20),
		make(map[string]*member), make(map[string]string)}
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
	ctx, cancel := context.WithTimeout(context.Background(), answerMax)
	defer cancel()
	switch words[0] {
	case "create":
		partitions, err := strconv.Atoi(words[2])
		if err != nil {
			return err
		}
		return d.create(ctx, words[1], int32(partitions))
	case "produce":
		return d.produce(ctx, words[1], words[2], words[3] == "true", words[4], words[5])
	case "consume":
		return d.consume(ctx, words[1], words[2], words[3:])
	}
	return d.group(ctx, words)
}

func (d *driver) create(ctx context.Context, topic string, partitions int32) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(d.bootstrap))
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = kadm.NewClient(client).CreateTopic(ctx, partitions, 1, nil, topic)
	return err
}

func (d *driver) produce(ctx context.Context, topic, codec string, idempotent bool, count, headers string) error {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	options := []kgo.Opt{kgo.SeedBrokers(d.bootstrap), kgo.ProducerBatchCompression(codecs[codec]),
		kgo.ProducerBatchMaxBytes(batchBytesMax), kgo.ProducerLinger(5 * time.Millisecond)}
	if !idempotent {
		// One request in flight keeps the order when it is repeated.
		options = append(options, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	records, err := d.records(topic, count, headers)
	if err != nil {
		return err
	}
	answers := make([]string, len(records))
	for i, record := range records {
		client.Produce(ctx, record, func(r *kgo.Record, err error) {
			if err != nil {
				answers[i] = "error\t" + strings.ReplaceAll(err.Error(), "\n", " ")
			} else {
				answers[i] = fmt.Sprintf("%d\t%d", r.Partition, r.Offset)
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	for _, answer := range answers {
		fmt.Fprintln(d.out, answer)
	}
	return nil
}

func (d *driver) records(topic, count, headers string) ([]*kgo.Record, error) {
	var pairs []kgo.RecordHeader
	for _, header := range strings.Split(headers, ",") {
		name, value, _ := strings.Cut(header, "=")
		pairs = append(pairs, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	total, err := strconv.Atoi(count)
	if err != nil {
		return nil, err
	}
	records := make([]*kgo.Record, 0, total)
	for len(records) < total && d.in.Scan() {
		key, value, _ := strings.Cut(d.in.Text(), "\t")
		records = append(records, &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value), Headers: pairs})
	}
	return records, d.in.Err()
}

func (d *driver) consume(ctx context.Context, topic, count string, starts []string) error {
	offsets := make(map[int32]kgo.Offset)
	for _, start := range starts {
		partition, offset, _ := strings.Cut(start, ":")
		p, err := strconv.Atoi(partition)
		if err != nil {
			return err
		}
		at, err := strconv.ParseInt(offset, 10, 64)
		if err != nil {
			return err
		}
		offsets[int32(p)] = kgo.NewOffset().At(at)
	}
	total, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	assigned := map[string]map[int32]kgo.Offset{topic: offsets}
	client, err := kgo.NewClient(kgo.SeedBrokers(d.bootstrap), kgo.ConsumePartitions(assigned),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	if err != nil {
		return err
	}
	defer client.Close()
	for read := 0; read < total; {
		fetches := client.PollFetches(ctx)
		for _, failure := range fetches.Errors() {
			return fmt.Errorf("%d of %d records read: %w", read, total, failure.Err)
		}
		fetches.EachRecord(d.print)
		read += fetches.NumRecords()
	}
	return nil
}

func (d *driver) print(record *kgo.Record) {
	var headers []string
	for _, header := range record.Headers {
		headers = append(headers, header.Key+"="+string(header.Value))
	}
	fmt.Fprintf(d.out, "%d\t%d\t%s\t%s\t%s\n",
		record.Partition, record.Offset, record.Key, strings.Join(headers, ","), record.Value)
}
