//! The instances of clients that have asked for subscriptions or pushed metrics: bounded in number and bytes.
//!
//! When instances may ask and push, and with which error they are refused, is as in Kafka
//! (`ClientMetricsManager`, `ClientMetricsInstance`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::log::Codec;
use millrace_rt::Moment;
use millrace_wire::{ErrorCode, Uuid};
use rustc_hash::FxHashMap;

use crate::telemetry::samples::PushedSamples;

/// The number of instances that are known at a time.
/// The one that has been silent for longest makes room. Kafka's bound.
const INSTANCES_MAX: usize = 16_384;

/// The bytes of an instance besides what it pushed.
const INSTANCE_BYTES: usize = 256;

/// An instance that is silent for this long, or for three of its intervals if that is longer,
/// is forgotten. Kafka's bound.
const SILENCE_MIN: Duration = Duration::from_secs(60);
const SILENT_INTERVALS: u32 = 3;

/// An id that a client chose, or that it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ClientInstanceId(pub(crate) Uuid);

impl ClientInstanceId {
    /// The first hundred numbers stand for other things in Kafka's metadata;
    /// of those clients may not have the first two.
    pub(crate) fn is_reserved(self) -> bool {
        self.number() < 2
    }

    pub(crate) fn number(self) -> u128 {
        u128::from_be_bytes(self.0.0)
    }
}

/// What an instance is asked to push, as far as pushes are checked against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) subscription_id: i32,
    pub(crate) interval: Duration,
    /// The version of the subscriptions from which it follows.
    pub(crate) version: u64,
}

/// The fields of a push besides its metrics.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PushHeader {
    pub(crate) subscription_id: i32,
    pub(crate) is_last: bool,
    pub(crate) compression: i8,
    pub(crate) bytes: usize,
}

/// Whether an instance is new. A new one leaves with the connection that brought it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InstanceAge {
    Known,
    New,
}

struct Instance {
    terms: Terms,
    asked: Option<Moment>,
    pushed: Option<Moment>,
    has_said_last: bool,
    /// Its last push was refused for a reason that it can only learn by asking.
    may_ask_at_once: bool,
    /// The connection that brought it has closed. It begins anew,
    /// and what it pushed stays until it is forgotten.
    is_gone: bool,
    silent_from: Moment,
    samples: Arc<PushedSamples>,
    /// Its place in the order of use.
    used: u64,
}

impl Instance {
    fn new(terms: Terms, samples: Arc<PushedSamples>) -> Instance {
        Instance {
            terms,
            asked: None,
            pushed: None,
            has_said_last: false,
            may_ask_at_once: false,
            is_gone: false,
            silent_from: Moment::ZERO,
            samples,
            used: 0,
        }
    }

    fn goes_on(&self, terms: Terms, now: Moment) -> bool {
        self.terms.version == terms.version && !self.is_gone && now < self.forgotten_at()
    }

    fn forgotten_at(&self) -> Moment {
        self.silent_from + SILENCE_MIN.max(self.terms.interval * SILENT_INTERVALS)
    }

    fn may_ask(&mut self, now: Moment) -> bool {
        let is_due = self.asked.max(self.pushed).is_none_or(|last| now - last >= self.terms.interval);
        if is_due {
            self.asked = Some(now);
        }
        is_due || self.may_ask_at_once
    }

    /// An instance that has asked since its last push may push at once:
    /// clients choose a random moment for their first push.
    fn may_push(&mut self, now: Moment) -> bool {
        let is_due =
            self.asked > self.pushed || self.pushed.is_none_or(|last| now - last >= self.terms.interval);
        if is_due {
            self.pushed = Some(now);
        }
        is_due
    }
}

/// How often an instance was refused or forgotten, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct InstanceCounts {
    pub(crate) throttled: u64,
    pub(crate) unknown_subscriptions: u64,
    /// Forgotten because there were too many, or they pushed too much.
    pub(crate) evicted: u64,
}

/// All instances of a broker.
pub(crate) struct Instances {
    known: FxHashMap<Uuid, Instance>,
    order: BTreeMap<u64, Uuid>,
    uses: u64,
    bytes: usize,
    bytes_max: usize,
    counts: InstanceCounts,
}

impl Instances {
    pub(crate) fn new(bytes_max: usize) -> Instances {
        Instances {
            known: FxHashMap::default(),
            order: BTreeMap::new(),
            uses: 0,
            bytes: 0,
            bytes_max,
            counts: InstanceCounts::default(),
        }
    }

    /// An instance asks what it should push.
    pub(crate) fn ask(
        &mut self,
        id: ClientInstanceId,
        terms: Terms,
        now: Moment,
    ) -> (InstanceAge, Result<(), ErrorCode>) {
        let (known, instance) = self.meet(id, terms, now);
        let result = match instance.may_ask(now) {
            true => {
                instance.may_ask_at_once = false;
                Ok(())
            }
            false => Err(ErrorCode::ThrottlingQuotaExceeded),
        };
        self.count(result);
        (known, result)
    }

    /// An instance pushes. Returns how the push is compressed and what it pushed before,
    /// or why it is refused.
    pub(crate) fn push(
        &mut self,
        id: ClientInstanceId,
        terms: Terms,
        header: &PushHeader,
        bytes_max: usize,
        now: Moment,
    ) -> (InstanceAge, Result<(Codec, Arc<PushedSamples>), ErrorCode>) {
        let (known, instance) = self.meet(id, terms, now);
        let result = check(instance, header, bytes_max, now);
        instance.has_said_last = header.is_last;
        instance.may_ask_at_once =
            matches!(result, Err(ErrorCode::UnknownSubscriptionId | ErrorCode::UnsupportedCompressionType));
        let samples = Arc::clone(&instance.samples);
        self.count(result.map(drop));
        (known, result.map(|codec| (codec, samples)))
    }

    /// Keeps what an instance has pushed, unless it has been forgotten meanwhile.
    pub(crate) fn keep(&mut self, id: ClientInstanceId, samples: PushedSamples) {
        if let Some(instance) = self.known.get_mut(&id.0) {
            self.bytes = self.bytes - instance.samples.bytes() + samples.bytes();
            instance.samples = Arc::new(samples);
            self.make_room();
        }
    }

    /// The connection that brought an instance has closed.
    pub(crate) fn leave(&mut self, id: ClientInstanceId) {
        if let Some(instance) = self.known.get_mut(&id.0) {
            instance.is_gone = true;
        }
    }

    /// Forgets instances that are silent for too long.
    pub(crate) fn forget_silent(&mut self, now: Moment) {
        let silent = self.known.iter().filter(|(_, instance)| instance.forgotten_at() <= now);
        for id in silent.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.forget(id);
        }
    }

    /// Returns the number of instances whose connections are open.
    pub(crate) fn connected(&self) -> usize {
        self.known.values().filter(|instance| !instance.is_gone).count()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    pub(crate) fn counts(&self) -> InstanceCounts {
        self.counts
    }

    /// Returns what all instances have pushed last.
    pub(crate) fn samples(&self) -> Vec<Arc<PushedSamples>> {
        self.order.values().filter_map(|id| Some(Arc::clone(&self.known.get(id)?.samples))).collect()
    }

    /// Returns the instance. It begins anew if it was gone or silent for too long,
    /// or if its subscriptions have changed.
    fn meet(&mut self, id: ClientInstanceId, terms: Terms, now: Moment) -> (InstanceAge, &mut Instance) {
        let before = self.known.remove(&id.0);
        match &before {
            Some(instance) => drop(self.order.remove(&instance.used)),
            None => self.bytes += INSTANCE_BYTES,
        }
        let (known, mut instance) = match before {
            Some(instance) if instance.goes_on(terms, now) => (InstanceAge::Known, instance),
            before => {
                let samples = before.map(|instance| instance.samples).unwrap_or_default();
                (InstanceAge::New, Instance::new(terms, samples))
            }
        };
        self.uses += 1;
        (instance.used, instance.silent_from) = (self.uses, now);
        self.order.insert(self.uses, id.0);
        self.known.insert(id.0, instance);
        self.make_room();
        match self.known.get_mut(&id.0) {
            Some(instance) => (known, instance),
            None => unreachable!("who was used last is forgotten last"),
        }
    }

    /// Forgets the instance that has been silent for longest until the rest has room, but never the last one.
    fn make_room(&mut self) {
        while self.known.len() > 1 && (self.known.len() > INSTANCES_MAX || self.bytes > self.bytes_max) {
            let Some(oldest) = self.order.values().next().copied() else { return };
            self.forget(oldest);
            self.counts.evicted += 1;
        }
    }

    fn forget(&mut self, id: Uuid) {
        if let Some(instance) = self.known.remove(&id) {
            self.order.remove(&instance.used);
            self.bytes -= INSTANCE_BYTES + instance.samples.bytes();
        }
    }

    fn count(&mut self, result: Result<(), ErrorCode>) {
        match result {
            Err(ErrorCode::ThrottlingQuotaExceeded) => self.counts.throttled += 1,
            Err(ErrorCode::UnknownSubscriptionId) => self.counts.unknown_subscriptions += 1,
            _ => {}
        }
    }
}

/// Checks a push in Kafka's order.
fn check(
    instance: &mut Instance,
    header: &PushHeader,
    bytes_max: usize,
    now: Moment,
) -> Result<Codec, ErrorCode> {
    if instance.has_said_last {
        return Err(ErrorCode::InvalidRequest);
    }
    if !instance.may_push(now) && !header.is_last {
        return Err(ErrorCode::ThrottlingQuotaExceeded);
    }
    if header.subscription_id != instance.terms.subscription_id {
        return Err(ErrorCode::UnknownSubscriptionId);
    }
    let codec = u8::try_from(header.compression).ok().and_then(Codec::from_id);
    let codec = codec.ok_or(ErrorCode::UnsupportedCompressionType)?;
    if header.bytes > bytes_max {
        return Err(ErrorCode::TelemetryTooLarge);
    }
    Ok(codec)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(1000);

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    fn id(number: u8) -> ClientInstanceId {
        ClientInstanceId(Uuid([number; 16]))
    }

    fn terms(version: u64) -> Terms {
        Terms { subscription_id: 7 + version as i32, interval: INTERVAL, version }
    }

    /// What a script comes to: `A` asks, `P` pushes, `L` pushes for the last time, `W` with the wrong
    /// subscription, `C` in a wrong compression, `B` too much, `G` its connection closes, `V` other things
    /// are wanted; a number waits for so many milliseconds. Responses of Apache Kafka 4.3.1.
    const SCRIPTS: &str = "
        A A | - ThrottlingQuotaExceeded
        A 999 A 1 A | - ThrottlingQuotaExceeded -
        A P P | - - ThrottlingQuotaExceeded
        A P 999 P 1 P | - - ThrottlingQuotaExceeded -
        A P A | - - ThrottlingQuotaExceeded
        P P A | - ThrottlingQuotaExceeded ThrottlingQuotaExceeded
        A W A P | - UnknownSubscriptionId - ThrottlingQuotaExceeded
        A C A A | - UnsupportedCompressionType - ThrottlingQuotaExceeded
        A B A | - TelemetryTooLarge ThrottlingQuotaExceeded
        A L L P P L | - - InvalidRequest InvalidRequest ThrottlingQuotaExceeded -
        A P L | - - -
        A G A | - -
        A V A | - -
        A V P A P | - - ThrottlingQuotaExceeded ThrottlingQuotaExceeded
        A V W A P | - UnknownSubscriptionId - ThrottlingQuotaExceeded
        A 60001 A P | - - -";

    #[test]
    fn who_may_ask_and_push_when() {
        for line in SCRIPTS.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (script, expected) = line.split_once(" | ").unwrap();
            let (mut instances, mut now, mut version) = (Instances::new(1 << 20), 1, 0);
            let mut responses = Vec::new();
            for word in script.split(' ') {
                let mut header = PushHeader {
                    subscription_id: 7 + version as i32,
                    is_last: false,
                    compression: 0,
                    bytes: 10,
                };
                match word {
                    "G" => instances.leave(id(1)),
                    "V" => version += 1,
                    "A" => responses.push(instances.ask(id(1), terms(version), at(now)).1),
                    "P" | "L" | "W" | "C" | "B" => {
                        match word {
                            "L" => header.is_last = true,
                            "W" => header.subscription_id -= 1,
                            "C" => header.compression = 5,
                            "B" => header.bytes = 101,
                            _ => {}
                        }
                        let pushed = instances.push(id(1), terms(version), &header, 100, at(now)).1;
                        responses.push(pushed.map(|_| ()));
                    }
                    millis => now += millis.parse::<u64>().unwrap(),
                }
            }
            let shown = responses.iter().map(|response| match response {
                Ok(()) => "-".to_owned(),
                Err(code) => format!("{code:?}"),
            });
            assert_eq!(shown.collect::<Vec<_>>().join(" "), expected, "{script}");
        }
    }

    #[test]
    fn who_is_known_is_bounded() {
        let mut instances = Instances::new(INSTANCE_BYTES * 10);
        for number in 0..20 {
            assert_eq!(instances.ask(id(number), terms(0), at(1)).0, InstanceAge::New);
            assert!(instances.bytes() <= instances.bytes_max());
        }
        assert_eq!((instances.connected(), instances.counts().evicted), (10, 10));
        assert_eq!(instances.ask(id(10), terms(0), at(2)).0, InstanceAge::Known);
        assert_eq!(instances.ask(id(20), terms(0), at(2)).1, Ok(()));
        assert_eq!(instances.ask(id(10), terms(0), at(3)).0, InstanceAge::Known, "it was used since");
        assert_eq!(instances.ask(id(11), terms(0), at(3)).0, InstanceAge::New, "it was the oldest");
        instances.forget_silent(at(60_003));
        assert_eq!((instances.connected(), instances.bytes()), (0, 0));
    }

    #[test]
    fn who_has_gone_is_shown_until_it_would_be_silent_for_too_long() {
        let mut instances = Instances::new(1 << 20);
        assert_eq!(instances.ask(id(1), terms(0), at(1)).1, Ok(()));
        instances.leave(id(1));
        instances.forget_silent(at(60_000));
        assert_eq!((instances.connected(), instances.samples().len()), (0, 1));
        instances.forget_silent(at(60_001));
        assert_eq!(instances.samples().len(), 0);
    }
}
