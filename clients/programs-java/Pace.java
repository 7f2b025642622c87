/** How fast a program goes: at once, or slowly enough that the broker can be killed and started again in between. */
record Pace(int everySteps, long pauseMs, boolean repeats) {
    private static final java.util.concurrent.atomic.AtomicLong STEPS = new java.util.concurrent.atomic.AtomicLong();

    static Pace atOnce() {
        return new Pace(Integer.MAX_VALUE, 0, false);
    }

    /** A thousand steps take about 20 s. */
    static Pace throughFaults() {
        return new Pace(10, 200, true);
    }

    void step() throws InterruptedException {
        if (pauseMs > 0 && STEPS.incrementAndGet() % everySteps == 0) {
            Thread.sleep(pauseMs);
        }
    }
}
