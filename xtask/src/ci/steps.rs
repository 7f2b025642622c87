//! The steps of CI as a table: adding one is one entry.

/// What one step does.
pub(super) enum Work {
    /// `cargo` with these arguments.
    Cargo(&'static [&'static str]),
    /// A program of the repository with these arguments.
    Script(&'static str, &'static [&'static str]),
    /// A program built by an earlier step: the folder below the target folder, and its arguments.
    Built(&'static str, &'static [&'static str]),
    /// Starts the broker with the first arguments, runs the program of the second (with `{address}` replaced)
    /// if there is one, and stops the broker cleanly.
    Beside { broker: &'static [&'static str], program: Option<(&'static str, &'static [&'static str])> },
    /// The rules of the house.
    Tidy,
}

/// What a step takes of the machine while others want to stand beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// All of it: it compiles, or holds times and memory to limits.
    Machine,
    /// One processor.
    Processor,
    /// It waits most of its time.
    Moments,
    /// It waits all the time, for answers that come when they come: it stands beside whatever there is.
    Nothing,
}

/// A step. In arguments `{seeds}`, `{every}`, `{cycles}` and `{fuzz}` are replaced by what the caller asked
/// for, `{flips}`, `{reuses}`, `{programs}`, `{frames}` and `{hostile}` by what follows from that, `{broker}`
/// by the path of the release build, `{sender}` by a package. In the folder of a program `{perf}` is replaced
/// by that of the load generator.
pub(super) struct Step {
    pub(super) name: &'static str,
    /// Steps without which this one cannot run.
    pub(super) needs: &'static [&'static str],
    pub(super) takes: Takes,
    pub(super) work: Work,
}

/// In the order in which they start where there is room: what compiles; what waits and what computes,
/// side by side; what stands alone.
pub(super) const STEPS: &[Step] = &[
    Step {
        name: "format",
        needs: &[],
        takes: Takes::Machine,
        work: Work::Cargo(&["fmt", "--all", "--check", "--", "--color", "never"]),
    },
    Step { name: "tidy", needs: &[], takes: Takes::Processor, work: Work::Tidy },
    Step {
        name: "clippy",
        needs: &[],
        takes: Takes::Machine,
        work: Work::Cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    },
    // README's command: unit tests, contract suites, crash sweeps,
    // currentness of generated code and documents.
    Step { name: "tests", needs: &[], takes: Takes::Machine, work: Work::Cargo(&["test", "--workspace"]) },
    // Beside the tests and with their features, of which nothing is compiled again: that leaves some linking.
    Step {
        name: "programs",
        needs: &[],
        takes: Takes::Machine,
        work: Work::Cargo(&["build", "--workspace", "--bins", "--tests"]),
    },
    // What ships; for strict verdicts also who sends what hostile peers send.
    Step {
        name: "release",
        needs: &[],
        takes: Takes::Machine,
        work: Work::Cargo(&["build", "--release", "--package=millrace", "--package={sender}"]),
    },
    // README's first command, on a port of its own.
    Step {
        name: "dev",
        needs: &["release"],
        takes: Takes::Moments,
        work: Work::Beside { broker: &["dev"], program: None },
    },
    Step {
        name: "parity",
        needs: &["programs", "release"],
        takes: Takes::Nothing,
        work: Work::Beside {
            broker: &["serve", "--config", "clients/parity/server.properties"],
            program: Some(("debug/millrace-parity", &["compare", "--bootstrap", "{address}"])),
        },
    },
    // Members of consumer groups in every client, of both protocols where it has both; more at a time are too
    // slow for the scenarios' limits. They wait for sessions and rebalances most of the time, 62 s of
    // processor time in 230, but not evenly: where nothing is left they fail (aiokafka gives up where a
    // heartbeat meets a group that is still loaded).
    Step {
        name: "group-clients",
        needs: &["release"],
        takes: Takes::Processor,
        work: Work::Script("clients/run", &["--groups", "--at-once", "6"]),
    },
    // A small ext4 file system filled and freed under load, and overwritten ten times.
    // Needs root and loop devices.
    Step {
        name: "small-disk",
        needs: &["release"],
        takes: Takes::Moments,
        work: Work::Script("clients/full-disk", &["--cycles", "10"]),
    },
    Step {
        name: "simulation",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built("debug/millrace-sim", &["--seeds", "0..{seeds}"]),
    },
    // Consumer groups: members and the broker crash, leave, freeze and return.
    Step {
        name: "groups",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built("debug/millrace-sim", &["--groups", "--seeds", "0..{seeds}"]),
    },
    // Every decoder under damaged and forged inputs.
    Step {
        name: "fuzz",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built("debug/millrace-fuzz", &["--seconds", "{fuzz}"]),
    },
    // The tests hold a sample of each sweep; these go on from there.
    Step {
        name: "crashes",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built("debug/millrace-sim", &["--sweep", "--every", "{every}", "--shards", "1,2,3"]),
    },
    Step {
        name: "topics",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built(
            "debug/millrace-sim",
            &["--sweep", "--topics", "--every", "{every}", "--shards", "1,2,3"],
        ),
    },
    Step {
        name: "retention",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built(
            "debug/millrace-sim",
            &["--sweep", "--retention", "--every", "{every}", "--shards", "1,3"],
        ),
    },
    Step {
        name: "compaction",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built(
            "debug/millrace-sim",
            &["--sweep", "--compaction", "--every", "{every}", "--shards", "1,3"],
        ),
    },
    // Both checkpoints lost at the crash, too: what a swap left is told by frames and files.
    Step {
        name: "compaction-checkpoints",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built(
            "debug/millrace-sim",
            &["--sweep", "--checkpoints", "--compaction", "--every", "{every}", "--shards", "1,2"],
        ),
    },
    Step {
        name: "compaction-faults",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built(
            "debug/millrace-sim",
            &["--sweep", "--faults", "--compaction", "--every", "{every}", "--shards", "1,3"],
        ),
    },
    Step {
        name: "group-crashes",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built(
            "debug/millrace-sim",
            &["--sweep", "--groups", "--every", "{every}", "--shards", "1,2,3"],
        ),
    },
    Step {
        name: "recovery",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built("debug/millrace-sim", &["--sweep", "--recovery", "--every", "{every}"]),
    },
    // Both checkpoints lost at the crash, too, while logs begin later.
    Step {
        name: "checkpoints",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built(
            "debug/millrace-sim",
            &["--sweep", "--checkpoints", "--retention", "--every", "{every}", "--shards", "1,2"],
        ),
    },
    Step {
        name: "disk-faults",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built(
            "debug/millrace-sim",
            &["--sweep", "--faults", "--every", "{every}", "--shards", "1,2,3"],
        ),
    },
    // The same while topics are deleted and logs begin later.
    Step {
        name: "topic-faults",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built(
            "debug/millrace-sim",
            &["--sweep", "--faults", "--topics", "--every", "{every}", "--shards", "1,2,3"],
        ),
    },
    Step {
        name: "retention-faults",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built(
            "debug/millrace-sim",
            &["--sweep", "--faults", "--retention", "--every", "{every}", "--shards", "1,2,3"],
        ),
    },
    Step {
        name: "full-disks",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built(
            "debug/millrace-sim",
            &["--sweep", "--full", "--every", "{every}", "--shards", "1,2"],
        ),
    },
    // Bytes of the journal's last frame.
    Step {
        name: "damage",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built("debug/millrace-sim", &["--sweep", "--damage", "--every", "{every}"]),
    },
    // Files of every kind missing or cut, behind crashes and clean stops.
    Step {
        name: "losses",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built(
            "debug/millrace-sim",
            &["--sweep", "--losses", "--every", "{every}", "--shards", "1,2"],
        ),
    },
    // The same while logs begin later, and are compacted.
    Step {
        name: "retention-losses",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built(
            "debug/millrace-sim",
            &["--sweep", "--losses", "--retention", "--every", "{every}", "--shards", "1"],
        ),
    },
    Step {
        name: "compaction-losses",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built(
            "debug/millrace-sim",
            &["--sweep", "--losses", "--compaction", "--every", "{every}", "--shards", "1"],
        ),
    },
    // Bits flipped in every kind of file.
    Step {
        name: "flips",
        needs: &["programs"],
        takes: Takes::Processor,
        work: Work::Built("debug/millrace-sim", &["--sweep", "--flips", "--sample", "{flips}"]),
    },
    // The judges of the client matrix and of kills, held to planted faults.
    Step {
        name: "matrix-judge",
        needs: &[],
        takes: Takes::Moments,
        work: Work::Script("clients/run", &["--self-test"]),
    },
    Step {
        name: "kill-judge",
        needs: &[],
        takes: Takes::Processor,
        work: Work::Script("clients/kill", &["--self-test"]),
    },
    Step {
        name: "clients",
        needs: &["release"],
        takes: Takes::Processor,
        work: Work::Script(
            "clients/run",
            &["kcat", "confluent-kafka", "java", "franz-go", "rdkafka", "java-oldest", "librdkafka-oldest"],
        ),
    },
    // What users write: programs that check their own results while the broker is killed; and Kafka's own
    // group tools, held to what they print of Apache Kafka. A sample, or all of it where cycles are many.
    Step {
        name: "user-programs",
        needs: &["release"],
        takes: Takes::Moments,
        work: Work::Script("clients/programs", &["{programs}"]),
    },
    // Kafka's other command line tools, held to what they print of Apache Kafka.
    Step {
        name: "kafka-tools",
        needs: &["release"],
        takes: Takes::Moments,
        work: Work::Script("clients/programs", &["admin"]),
    },
    // A small disk whose inodes run out.
    Step {
        name: "few-inodes",
        needs: &["release"],
        takes: Takes::Processor,
        work: Work::Script("clients/few-inodes", &[]),
    },
    // Offsets committed by an unmodified client until their topic is compacted.
    Step {
        name: "offsets-kill",
        needs: &["release"],
        takes: Takes::Moments,
        work: Work::Script("clients/offsets", &["--cycles", "3"]),
    },
    // `--dump`: Kafka's own tool reads every segment afterwards.
    Step {
        name: "kill",
        needs: &["release"],
        takes: Takes::Moments,
        work: Work::Script(
            "clients/kill",
            &[
                "--cycles",
                "{cycles}",
                "--dump",
                "--set",
                "millrace.journal.bytes=4194304",
                "--least-reuses",
                "{reuses}",
            ],
        ),
    },
    // A topic compacted under load of an unmodified kcat.
    Step {
        name: "compaction-kill",
        needs: &["release"],
        takes: Takes::Moments,
        work: Work::Script("clients/compaction", &["--cycles", "6"]),
    },
    // Rings on a tmpfs that holds one set of them, and on one that does not.
    Step {
        name: "small-memory",
        needs: &["release"],
        takes: Takes::Moments,
        work: Work::Script("clients/small-memory", &[]),
    },
    // Hostile peers of nine kinds: memory, and an honest client beside each. With `.ci/soak` at their full
    // numbers, from a release build.
    Step {
        name: "hostile",
        needs: &["programs", "release"],
        takes: Takes::Machine,
        work: Work::Built("{perf}/millrace-perf", &["hostile", "{hostile}", "--millrace", "{broker}"]),
    },
    // Frames of golden bytes and parity cases, whole and damaged, through the whole of a broker: each is
    // answered or ends its connection, in bounded memory. On a thread for each processor.
    Step {
        name: "frames",
        needs: &["programs"],
        takes: Takes::Machine,
        work: Work::Built("debug/millrace-fuzz", &["--frames", "{frames}"]),
    },
    // Instructions of the append, fetch and codec paths under callgrind, held to a committed baseline.
    Step {
        name: "instructions",
        needs: &["release"],
        takes: Takes::Machine,
        work: Work::Cargo(&["xtask", "instructions"]),
    },
    // Durability as the device counts it, many partitions, hostile peers:
    // the verdicts that hold on a busy machine.
    Step {
        name: "figures",
        needs: &["programs", "release"],
        takes: Takes::Machine,
        work: Work::Built("debug/millrace-perf", &["first-light", "--quick", "--millrace", "{broker}"]),
    },
];
