//! What runs on the shards: audits what is there, then leads each name from life to life.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use millrace_core::base::{Offset, PartitionKey};
use millrace_core::meta::{AlterErrorKind, FeatureError, QuotaErrorKind, TopicError, TopicErrorKind};
use millrace_rt::{Gate, Seat, fs};
use millrace_shard::{AppendError, AppendPartition, AppendTicket, Engine, Shard, ValidateOnly};

use super::ledger::{Growth, Sent, TopicLedger, TopicStage};
use super::plan::{Home, NAMES};
use super::{features, quotas, subscriptions};
use crate::machine::Progress;
use crate::promises::DATA_DIR;
use crate::reading::{PRODUCE_VERSION, Unread, fetch, read_whole};
use crate::scenario::Serve;

/// As many as an idempotent producer may have under way.
const IN_FLIGHT_MAX: usize = 5;
/// Before an append or a creation is sent again that a failing disk refused.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// Virtual time within which the files of deleted topics are gone.
const FILES_GONE: Duration = Duration::from_secs(3);

/// One boot of the node, as its shards share it.
#[derive(Clone)]
pub(crate) struct TopicNode {
    pub(super) shards: u16,
    /// Lives that each name goes through in this boot.
    pub(super) lives: usize,
    pub(super) ledger: Rc<RefCell<TopicLedger>>,
    pub(super) engine: Engine,
    pub(super) progress: Rc<Progress>,
    pub(super) gates: Gates,
}

#[derive(Clone)]
pub(super) struct Gates {
    loaded: Gate,
    led: Gate,
    stop: Gate,
    shards_done: Rc<Cell<u16>>,
}

impl Gates {
    pub(super) fn new() -> Gates {
        Gates { loaded: Gate::new(), led: Gate::new(), stop: Gate::new(), shards_done: Rc::default() }
    }
}

impl Serve for TopicNode {
    async fn serve(self, seat: Seat) {
        let Some(shard) = self.progress.open(&self.engine, seat).await else { return };
        let gates = self.gates.clone();
        if seat.shard == 0 {
            let image = shard.image();
            let plan = Rc::clone(&self.ledger.borrow().plan);
            self.ledger.borrow_mut().audit_topics(|life| {
                let asked = &plan.lives[life].topic;
                let by_name = image.topic(asked.name).filter(|topic| topic.id == asked.id);
                assert_eq!(by_name, image.topic_by_id(asked.id), "names and ids fit together");
                by_name.map(|topic| topic.partitions.len())
            });
            self.ledger.borrow_mut().audit_quotas(image.client_quotas());
            self.ledger.borrow_mut().audit_features(image.features());
            self.ledger.borrow_mut().audit_subscription(&image);
            self.audit_logs(&shard).await;
            self.ledger.borrow_mut().lost_power = false;
            gates.loaded.open();
        }
        gates.loaded.wait().await;
        self.lead_names(&shard, seat).await;
        gates.shards_done.set(gates.shards_done.get() + 1);
        if gates.shards_done.get() == self.shards {
            gates.led.open();
        }
        gates.led.wait().await;
        if seat.shard == 0 {
            self.audit_logs(&shard).await;
            millrace_rt::sleep(FILES_GONE).await;
            self.audit_directories().await;
            gates.stop.open();
        }
        gates.stop.wait().await;
        shard.close().await;
        self.progress.shard_closed();
    }
}

impl TopicNode {
    /// Leads this shard's names through their lives, all at the same time.
    async fn lead_names(&self, shard: &Shard, seat: Seat) {
        let names = NAMES.iter().enumerate();
        let mine = names.filter(|(number, _)| number % usize::from(seat.shards) == usize::from(seat.shard));
        let tasks: Vec<_> =
            mine.map(|(_, name)| millrace_rt::spawn(self.clone().lead(shard.clone(), name))).collect();
        for task in tasks {
            task.await;
        }
    }

    async fn lead(self, shard: Shard, name: &'static str) {
        let plan = Rc::clone(&self.ledger.borrow().plan);
        let lives: Vec<usize> = plan.lives_of(name).collect();
        let last = lives.last().copied();
        let open = |life: &usize| self.ledger.borrow().stage(*life) != TopicStage::Dead;
        let due: Vec<usize> = lives.into_iter().filter(open).take(self.lives).collect();
        for life in due {
            if self.ledger.borrow().stage(life) == TopicStage::Unborn && !self.create(&shard, life).await {
                return;
            }
            self.set_quota(&shard, name, life).await;
            if name == features::CHANGED_BY {
                self.set_level(&shard, life).await;
            }
            if name == subscriptions::CHANGED_BY {
                self.subscribe(&shard, life).await;
            }
            let first = self.ledger.borrow().partitions(life);
            let mut sent = self.send(&shard, life, 0..first).await;
            if self.ledger.borrow().growth(life) != Growth::Done {
                // While appends to the first partitions are under way.
                if !self.grow(&shard, life).await {
                    return;
                }
                let last = self.ledger.borrow().partitions(life);
                sent.extend(self.send(&shard, life, first..last).await);
            }
            if millrace_rt::random_u64().is_multiple_of(2) {
                // Otherwise the deletion comes while appends are under way.
                self.answered(&shard, sent, life, Some(life) == last).await;
            } else if Some(life) == last {
                self.answered(&shard, sent, life, true).await;
            } else {
                let (boot, shard) = (self.clone(), shard.clone());
                millrace_rt::spawn(async move { boot.answered(&shard, sent, life, false).await });
            }
            if Some(life) != last {
                self.delete(&shard, life).await;
            }
        }
    }

    async fn create(&self, shard: &Shard, life: usize) -> bool {
        let plan = Rc::clone(&self.ledger.borrow().plan);
        self.ledger.borrow_mut().set_stage(life, TopicStage::Creating);
        let asked = plan.lives[life].as_created();
        let create = async || shard.create_topics(vec![asked.clone()], ValidateOnly::No).await;
        let result = self.insist(create).await;
        let mut ledger = self.ledger.borrow_mut();
        match result {
            Some(Ok(_)) => ledger.set_stage(life, TopicStage::Alive),
            refused => ledger.violate(format!("a creation was answered with {refused:?}")),
        }
        matches!(ledger.stage(life), TopicStage::Alive)
    }

    /// A client id of the topic's name gets another quota, or none.
    /// One that a failing disk refused is as it was.
    async fn set_quota(&self, shard: &Shard, name: &'static str, life: usize) {
        let value = quotas::of_life(life);
        self.ledger.borrow_mut().quotas.ask(name, value);
        let alterations = vec![quotas::alteration(name, value)];
        let result = shard.alter_client_quotas(alterations, ValidateOnly::No).await.into_iter().next();
        let mut ledger = self.ledger.borrow_mut();
        match result {
            Some((_, Ok(()))) => ledger.quotas.answer(name),
            Some((_, Err(error)))
                if error.kind == QuotaErrorKind::Storage && self.progress.disk_may_fail() => {}
            refused => ledger.violate(format!("a change of quotas was answered with {refused:?}")),
        }
    }

    /// A feature gets another level. One that a failing disk refused is as it was.
    async fn set_level(&self, shard: &Shard, life: usize) {
        let update = self.ledger.borrow_mut().features.ask(features::of_life(life));
        let result = shard.update_features(vec![update], ValidateOnly::No).await;
        let mut ledger = self.ledger.borrow_mut();
        match result {
            Ok(()) => ledger.features.answer(),
            Err(FeatureError::Storage(_)) if self.progress.disk_may_fail() => {}
            refused => ledger.violate(format!("a change of features was answered with {refused:?}")),
        }
    }

    /// The subscription gets other settings, or goes. One that a failing disk refused is as it was.
    async fn subscribe(&self, shard: &Shard, life: usize) {
        let settings = subscriptions::of_life(life);
        let alterations = vec![subscriptions::alteration(&settings)];
        self.ledger.borrow_mut().subscription.ask(settings);
        let result = shard.alter_configs(alterations, ValidateOnly::No).await.into_iter().next();
        let mut ledger = self.ledger.borrow_mut();
        match result {
            Some(Ok(())) => ledger.subscription.answer(),
            Some(Err(error)) if error.kind == AlterErrorKind::Storage && self.progress.disk_may_fail() => {}
            refused => ledger.violate(format!("a change of a subscription was answered with {refused:?}")),
        }
    }

    async fn grow(&self, shard: &Shard, life: usize) -> bool {
        let plan = Rc::clone(&self.ledger.borrow().plan);
        self.ledger.borrow_mut().set_growth(life, Growth::Asked);
        let more = plan.lives[life].as_grown();
        let grow = async || shard.create_partitions(vec![more.clone()], ValidateOnly::No).await;
        let result = self.insist(grow).await;
        let mut ledger = self.ledger.borrow_mut();
        match result {
            Some(Ok(())) => ledger.set_growth(life, Growth::Done),
            refused => ledger.violate(format!("more partitions were answered with {refused:?}")),
        }
        matches!(ledger.growth(life), Growth::Done)
    }

    /// As with appends: a write that fell short is taken for a full disk, until it is tried again.
    async fn insist<T>(
        &self,
        ask: impl AsyncFn() -> Vec<Result<T, TopicError>>,
    ) -> Option<Result<T, TopicError>> {
        loop {
            let result = ask().await.into_iter().next();
            let fell_short = matches!(&result, Some(Err(error)) if error.kind == TopicErrorKind::Storage);
            if !fell_short || !self.progress.disk_may_fail() {
                return result;
            }
            millrace_rt::sleep(RETRY_PAUSE).await;
        }
    }

    async fn delete(&self, shard: &Shard, life: usize) {
        let plan = Rc::clone(&self.ledger.borrow().plan);
        self.ledger.borrow_mut().set_stage(life, TopicStage::Deleting);
        let result = shard.delete_topics(vec![plan.lives[life].topic.id]).await.into_iter().next();
        match result {
            Some(Ok(())) => self.ledger.borrow_mut().set_stage(life, TopicStage::Dead),
            refused => self.ledger.borrow_mut().violate(format!("a deletion was answered with {refused:?}")),
        }
        self.expect_refused(shard, life).await;
    }

    /// Nobody can read a deleted topic.
    async fn expect_refused(&self, shard: &Shard, life: usize) {
        let plan = Rc::clone(&self.ledger.borrow().plan);
        for key in plan.lives[life].keys() {
            if let Ok((read, _)) = fetch(shard, key, Offset::ZERO, Duration::ZERO).await {
                let what = format!("{key} was deleted, and a reader gets {} batches of it", read.len());
                self.ledger.borrow_mut().violate(what);
            }
        }
    }

    /// Sends what is due of these partitions; answers what is still under way.
    async fn send(&self, shard: &Shard, life: usize, partitions: Range<usize>) -> Vec<(Home, AppendTicket)> {
        let plan = Rc::clone(&self.ledger.borrow().plan);
        let mut under_way: Vec<(Home, AppendTicket)> = Vec::new();
        // One that is refused is sent again, in its place.
        let in_flight_max = if self.progress.disk_may_fail() { 1 } else { IN_FLIGHT_MAX };
        let keys = plan.lives[life].keys().enumerate();
        for (partition, key) in keys.filter(|(partition, _)| partitions.contains(partition)) {
            let due = self.ledger.borrow().to_send(life, partition);
            for place in due {
                if under_way.len() >= in_flight_max {
                    let first = under_way.remove(0);
                    self.answered(shard, vec![first], life, true).await;
                }
                let home = Home { life, partition, place };
                under_way.push((home, self.send_one(shard, key, home).await));
            }
        }
        under_way
    }

    async fn send_one(&self, shard: &Shard, key: PartitionKey, home: Home) -> AppendTicket {
        let plan = Rc::clone(&self.ledger.borrow().plan);
        let records = plan.lives[home.life].batches[home.partition][home.place].bytes.clone();
        self.ledger.borrow_mut().sent(home, Sent::Unanswered);
        let append = AppendPartition { key, records, produce_version: PRODUCE_VERSION };
        shard.admit_append(vec![append]).await
    }

    /// Takes answers in; an append may be refused only where a deletion is under way meanwhile,
    /// or once by a disk that fails once.
    async fn answered(&self, shard: &Shard, sent: Vec<(Home, AppendTicket)>, life: usize, stays: bool) {
        for (home, ticket) in sent {
            let mut outcome = ticket.await.into_iter().next();
            let key = self.ledger.borrow().plan.lives[life].keys().nth(home.partition);
            // A write that fell short is taken for a full disk, until it is tried again.
            while matches!(outcome, Some(Err(AppendError::Storage | AppendError::NoSpace)))
                && self.progress.disk_may_fail()
                && let Some(key) = key
            {
                millrace_rt::sleep(RETRY_PAUSE).await;
                outcome = self.send_one(shard, key, home).await.await.into_iter().next();
            }
            let mut ledger = self.ledger.borrow_mut();
            let deleted = matches!(ledger.stage(life), TopicStage::Deleting | TopicStage::Dead);
            match outcome {
                Some(Ok(appended)) => ledger.sent(home, Sent::Acknowledged(appended.base_offset)),
                Some(Err(_)) if deleted && !stays => {}
                refused => ledger.violate(format!("{home:?} was answered with {refused:?}")),
            }
        }
    }

    /// Reads every partition of the live topics whole, and tries the dead ones.
    async fn audit_logs(&self, shard: &Shard) {
        let plan = Rc::clone(&self.ledger.borrow().plan);
        self.ledger.borrow_mut().read.clear();
        for (life, planned) in plan.lives.iter().enumerate() {
            let stage = self.ledger.borrow().stage(life);
            match stage {
                TopicStage::Dead => self.expect_refused(shard, life).await,
                TopicStage::Alive => {
                    let partitions = self.ledger.borrow().partitions(life);
                    for (partition, key) in planned.keys().enumerate().take(partitions) {
                        let mut log = read_whole(shard, key).await;
                        if matches!(log, Err(Unread::Storage)) && self.progress.disk_may_fail() {
                            log = read_whole(shard, key).await;
                        }
                        let mut ledger = self.ledger.borrow_mut();
                        match log {
                            Ok(log) => ledger.audit_log(life, partition, &log),
                            Err(reason) => ledger.violate(format!("{key}: {reason}")),
                        }
                    }
                }
                TopicStage::Unborn | TopicStage::Creating | TopicStage::Deleting => {}
            }
        }
    }

    /// Only partitions of live topics have a directory.
    async fn audit_directories(&self) {
        let known: BTreeSet<String> = self.ledger.borrow().read.keys().cloned().collect();
        let entries = fs::read_dir(&Path::new(DATA_DIR).join("topics")).await.unwrap_or_default();
        // What a failing disk kept from being deleted goes with the next start.
        if self.progress.disk_may_fail() {
            return;
        }
        for entry in entries.iter().filter(|entry| !known.contains(&entry.name)) {
            let what = format!("files of a deleted topic are still there: {}", entry.name);
            self.ledger.borrow_mut().violate(what);
        }
    }
}
