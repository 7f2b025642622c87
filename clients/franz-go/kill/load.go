package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// producerKind is one of the producers that run side by side in a round.
type producerKind struct {
	kind   kind
	codec  kgo.CompressionCodec
	linger time.Duration
}

// Batches as they come and gathered ones, with and without the broker's help against repeats. The client has five
// requests in flight when idempotent, else one.
var producerKinds = []producerKind{
	{idempotent, kgo.NoCompression(), 0},
	{idempotent, kgo.Lz4Compression(), 5 * time.Millisecond},
	{idempotent, kgo.ZstdCompression(), time.Millisecond},
	{plain, kgo.NoCompression(), 0},
	{plain, kgo.SnappyCompression(), 5 * time.Millisecond},
}

const (
	// Enough to have batches under way on every partition at the moment of the kill.
	bufferedRecordsMax = 2000
	tick               = 5 * time.Millisecond
	// A client that waits longer before it comes back leaves the broker idle for a whole cycle.
	backoff = 20 * time.Millisecond
)

type producer struct {
	number uint32
	client *kgo.Client
	ledger *ledger
	cancel context.CancelFunc
	done   chan struct{}
}

func common(bootstrap string) []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(bootstrap),
		kgo.RetryBackoffFn(func(int) time.Duration { return backoff }),
		kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.RequestRetries(1 << 30),
		kgo.RetryTimeout(answerMax),
		kgo.Dialer(dial),
	}
}

// connection reports a peer that went away as a reset. The client takes an end of stream before a connection's first
// answer for missing authentication and gives the records up; here it is a killed broker.
type connection struct{ net.Conn }

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	inner, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return connection{inner}, nil
}

func (c connection) Read(into []byte) (int, error) {
	n, err := c.Conn.Read(into)
	if err == io.EOF {
		err = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	return n, err
}

func startProducer(bootstrap string, l *ledger, k producerKind, rate int) (*producer, error) {
	options := append(common(bootstrap),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(k.codec),
		kgo.ProducerLinger(k.linger),
		kgo.MaxBufferedRecords(bufferedRecordsMax),
		kgo.UnknownTopicRetries(-1),
		kgo.StopProducerOnDataLossDetected(),
	)
	if k.kind == plain {
		options = append(options, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &producer{l.addProducer(k.kind), client, l, cancel, make(chan struct{})}
	go p.run(ctx, rate)
	return p, nil
}

// run sends at the rate until it is stopped; while the broker is away the buffer fills and sending waits.
func (p *producer) run(ctx context.Context, rate int) {
	defer close(p.done)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	each := max(1, rate*int(tick)/int(time.Second))
	for ctx.Err() == nil {
		<-ticker.C
		for range each {
			// A record that has its number is sent in any case: a number left out would look like a loss.
			p.send(rand.IntN(partitions))
		}
	}
}

func (p *producer) send(partition int) {
	m := p.ledger.send(partition, p.number)
	record := &kgo.Record{Topic: topic, Partition: int32(partition), Value: encode(m)}
	p.client.Produce(context.Background(), record, func(r *kgo.Record, err error) {
		if err != nil {
			p.ledger.fault("partition %d: %s failed: %v", partition, m, err)
			return
		}
		p.ledger.acknowledge(partition, r.Offset, m)
	})
}

// stop ends the sending; what is under way stays under way.
func (p *producer) stop() {
	p.cancel()
	<-p.done
}

const markBytes = 12

// content is where the bytes of all records come from: incompressible, and each record's piece depends on its mark.
var content = func() []byte {
	generator := rand.NewChaCha8([32]byte{1})
	pool := make([]byte, 1<<20)
	_, _ = generator.Read(pool)
	return pool
}()

// body gives the content of a record: mostly small, some of many blocks, a few that go to the segment at once.
func body(m mark) []byte {
	h := scatter(uint64(m.producer)<<40 ^ m.counter)
	length := 1 + int(h>>8%600)
	switch {
	case h%1000 == 0:
		length = 300_000
	case h%50 == 0:
		length = 20_000
	}
	start := int(h >> 32 % uint64(len(content)-length))
	return content[start : start+length]
}

// scatter spreads consecutive numbers over all 64 bits (the finishing step of SplitMix64).
func scatter(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

func encode(m mark) []byte {
	value := binary.BigEndian.AppendUint32(make([]byte, 0, markBytes+600), m.producer)
	value = binary.BigEndian.AppendUint64(value, m.counter)
	return append(value, body(m)...)
}

// decode gives the mark that a value claims, and whether its content is that record's.
func decode(value []byte) (mark, bool) {
	if len(value) < markBytes {
		return mark{}, false
	}
	m := mark{binary.BigEndian.Uint32(value), binary.BigEndian.Uint64(value[4:])}
	return m, bytes.Equal(value[markBytes:], body(m))
}
