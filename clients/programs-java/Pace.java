import java.util.concurrent.CountDownLatch;

/**
 * How fast a program goes: at once, or slowly enough that the broker can be killed and started again in between. Then all
 * wait with their first step for each other, so that none is still coming up when the broker goes: Kafka Streams ends an
 * application whose first assignment is computed while its client, without a broker, knows of no topics.
 */
record Pace(int everySteps, long pauseMs, boolean repeats, CountDownLatch begun) {
    private static final java.util.concurrent.atomic.AtomicLong STEPS = new java.util.concurrent.atomic.AtomicLong();
    private static final ThreadLocal<Boolean> HAS_BEGUN = ThreadLocal.withInitial(() -> false);

    static Pace atOnce() {
        return new Pace(Integer.MAX_VALUE, 0, false, new CountDownLatch(0));
    }

    /** A thousand steps take about 20 s. */
    static Pace throughFaults(int programs) {
        return new Pace(10, 200, true, new CountDownLatch(programs));
    }

    void step() throws InterruptedException {
        begin();
        begun.await();
        if (pauseMs > 0 && STEPS.incrementAndGet() % everySteps == 0) {
            Thread.sleep(pauseMs);
        }
    }

    /** The program of this thread is there, or over. */
    void begin() {
        if (!HAS_BEGUN.get()) {
            HAS_BEGUN.set(true);
            begun.countDown();
        }
    }
}
