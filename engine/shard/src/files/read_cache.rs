//! What was read from segment files, kept for the next reader: in place of the kernel's page cache,
//! inside the budget.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use millrace_core::base::ids::PartitionKey;
use millrace_core::base::measure::Counter;
use millrace_rt::Signal;
use rustc_hash::FxHashMap;

use crate::api::FetchError;
use crate::device::open_files::OpenFile;
use crate::files::summed::PageBytes;
use crate::partition::state::SegmentAt;
use crate::partition::tail::block_floor;

/// The unit that is read and kept; pages lie at multiples of it.
/// Direct reads of this size reach the device's rate at a depth of four.
pub(crate) const PAGE_BYTES: u64 = 256 * 1024;
/// How far a sequential reader is read ahead of.
const AHEAD_PAGES: u64 = 4;
/// Reads in flight of one shard at most; how many there may be at the moment is up to the disk's classes.
pub(crate) const LOADERS: usize = 16;

/// Where a page lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct PageKey {
    partition: PartitionKey,
    segment: SegmentAt,
    page: u64,
}

/// A segment's file as a reader sees it.
#[derive(Clone)]
pub(crate) struct PageSource {
    pub(crate) partition: PartitionKey,
    pub(crate) segment: SegmentAt,
    pub(crate) file: Rc<OpenFile>,
    /// Bytes of the segment that the file surely holds.
    pub(crate) in_file: u64,
}

impl PageSource {
    fn key(&self, page: u64) -> PageKey {
        PageKey { partition: self.partition, segment: self.segment, page }
    }

    /// Where the bytes of a page end in the file.
    fn page_end(&self, page: u64) -> u64 {
        ((page + 1) * PAGE_BYTES).min(self.in_file)
    }
}

enum Page {
    Loading(Rc<Load>),
    Loaded(Kept),
}

struct Kept {
    /// Where in the segment its bytes begin: in the page, or where the page does.
    from: u64,
    page: PageBytes,
    /// Read since the hand of the clock last passed.
    used: bool,
}

impl Kept {
    fn holds(&self, from: u64, to: u64) -> bool {
        self.from <= from && to <= self.from + self.page.bytes.len() as u64
    }

    /// Bytes `[from, to)` of the segment, if all of them are there.
    fn cut(&self, from: u64, to: u64) -> Option<PageBytes> {
        let holds = self.holds(from, to);
        holds.then(|| self.page.slice((from - self.from) as usize..(to - self.from) as usize))
    }
}

/// A page on its way from the file. Driven by a loader; readers of the page wait for it.
pub(crate) struct Load {
    pub(crate) source: PageSource,
    page: u64,
    /// Where its reader is, in whole blocks: what lies before in the page is read for those who want it.
    from: u64,
    done: Signal,
    /// Kept beside the cache for those who wait: a page may be let go of before they look.
    outcome: RefCell<Option<Result<PageBytes, FetchError>>>,
}

impl Load {
    /// What has come of the page from `at` on, up to `to`; none where less was asked for.
    fn outcome(&self, at: u64, to: u64) -> Option<Result<PageBytes, FetchError>> {
        let outcome = self.outcome.borrow().clone()?;
        let end = to.min((self.page + 1) * PAGE_BYTES);
        match outcome {
            Ok(page) => Kept { from: self.from, page, used: true }.cut(at, end).map(Ok),
            Err(failure) => Some(Err(failure)),
        }
    }

    /// The bytes of the segment to be read.
    pub(crate) fn range(&self) -> (u64, u64) {
        (self.from, self.source.page_end(self.page))
    }
}

/// Pages of one shard's segments, up to a number of bytes;
/// beyond it those go that nobody read of late (CLOCK).
pub(crate) struct ReadCache {
    state: RefCell<State>,
    bytes_max: usize,
    /// A load waits for a loader.
    pub(crate) work: Signal,
    hits: Counter,
    misses: Counter,
    ahead: Counter,
    pub(crate) summed_bytes: Counter,
}

/// The read cache of one shard at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadCacheStats {
    pub bytes: u64,
    pub bytes_max: u64,
    /// Pages that readers wanted and that were there, or not.
    pub hits: u64,
    pub misses: u64,
    /// Pages that were read before anybody wanted them.
    pub ahead: u64,
    pub evictions: u64,
    /// Bytes of batches whose checksum was computed: of each once while its pages stay.
    pub summed_bytes: u64,
    /// Loads that wait for a loader.
    pub queued: u64,
}

#[derive(Default)]
struct State {
    pages: FxHashMap<PageKey, Page>,
    /// Every loaded page once, the clock's hand before the first.
    clock: VecDeque<PageKey>,
    bytes: usize,
    queue: VecDeque<Rc<Load>>,
    evictions: u64,
}

enum Found {
    Page(PageBytes),
    Coming(Rc<Load>, millrace_rt::SignalWait),
}

impl ReadCache {
    pub(crate) fn new(bytes_max: usize) -> ReadCache {
        ReadCache {
            state: RefCell::default(),
            bytes_max,
            work: Signal::new(),
            hits: Counter::default(),
            misses: Counter::default(),
            ahead: Counter::default(),
            summed_bytes: Counter::default(),
        }
    }

    pub(crate) fn stats(&self) -> ReadCacheStats {
        let state = self.state.borrow();
        ReadCacheStats {
            bytes: state.bytes as u64,
            bytes_max: self.bytes_max as u64,
            hits: self.hits.get(),
            misses: self.misses.get(),
            ahead: self.ahead.get(),
            evictions: state.evictions,
            summed_bytes: self.summed_bytes.get(),
            queued: state.queue.len() as u64,
        }
    }

    /// The bytes of `[at, to)` that lie in one page, at least one: from memory, or once they are read. `to`
    /// is within what the file holds.
    ///
    /// Dropping the future leaves the read to others who want the page.
    pub(crate) async fn read(&self, source: &PageSource, at: u64, to: u64) -> Result<PageBytes, FetchError> {
        loop {
            match self.find(source, at, to) {
                Found::Page(page) => return Ok(page),
                Found::Coming(load, done) => {
                    done.await;
                    if let Some(outcome) = load.outcome(at, to) {
                        return outcome;
                    }
                }
            }
        }
    }

    /// Begins to read what of `[from, to)` is not in memory; and, for a reader that comes from the page
    /// before or begins the segment, some pages more.
    pub(crate) fn prepare(&self, source: &PageSource, from: u64, to: u64) {
        if from >= to {
            return;
        }
        let (first, last) = (from / PAGE_BYTES, (to - 1) / PAGE_BYTES);
        let mut state = self.state.borrow_mut();
        let sequential = first == 0 || state.pages.contains_key(&source.key(first - 1));
        let ahead = if sequential { AHEAD_PAGES } else { 0 };
        let last_ahead = (last + ahead).min((source.in_file - 1) / PAGE_BYTES);
        let mut begun = false;
        for page in first..=last_ahead {
            let at = from.max(page * PAGE_BYTES);
            let begins = state.demand(source, page, at, source.page_end(page)).is_some();
            begun |= begins;
            let counter = match (page <= last, begins || state.is_loading(&source.key(page))) {
                (true, true) => &self.misses,
                (true, false) => &self.hits,
                (false, _) if begins => &self.ahead,
                (false, _) => continue,
            };
            counter.increment();
        }
        if begun {
            self.work.notify_all();
        }
    }

    /// The next page to be read.
    pub(crate) fn next_load(&self) -> Option<Rc<Load>> {
        self.state.borrow_mut().queue.pop_front()
    }

    /// A page has come: its first bytes, as many as the file holds.
    pub(crate) fn loaded(&self, load: &Load, outcome: Result<Bytes, FetchError>) {
        let key = load.source.key(load.page);
        let outcome = outcome.map(PageBytes::unsummed);
        *load.outcome.borrow_mut() = Some(outcome.clone());
        let mut state = self.state.borrow_mut();
        match outcome {
            Ok(page) => {
                state.bytes += page.bytes.len();
                state.pages.insert(key, Page::Loaded(Kept { from: load.from, page, used: true }));
                state.clock.push_back(key);
                state.evict(self.bytes_max);
            }
            Err(_) => {
                state.pages.remove(&key);
            }
        }
        drop(state);
        load.done.notify_all();
    }

    fn find(&self, source: &PageSource, at: u64, to: u64) -> Found {
        let mut state = self.state.borrow_mut();
        let page = at / PAGE_BYTES;
        let to = to.min(source.page_end(page));
        if let Some(Page::Loaded(kept)) = state.pages.get_mut(&source.key(page))
            && let Some(bytes) = kept.cut(at, to)
        {
            kept.used = true;
            return Found::Page(bytes);
        }
        if let Some(load) = state.demand(source, page, at, to) {
            self.work.notify_all();
            let done = load.done.wait();
            return Found::Coming(load, done);
        }
        match state.pages.get(&source.key(page)) {
            Some(Page::Loading(load)) => Found::Coming(Rc::clone(load), load.done.wait()),
            _ => unreachable!("a page that is not there is demanded"),
        }
    }
}

impl State {
    /// Queues a load of the page from `at` on unless its bytes `[at, to)` are there,
    /// or some of it is on its way.
    fn demand(&mut self, source: &PageSource, page: u64, at: u64, to: u64) -> Option<Rc<Load>> {
        let key = source.key(page);
        match self.pages.get(&key) {
            Some(Page::Loading(_)) => return None,
            Some(Page::Loaded(kept)) if kept.holds(at, to) => return None,
            // The segment has grown since, or its reader came in behind this one.
            Some(Page::Loaded(_)) => self.forget(&key),
            None => {}
        }
        let (source, from) = (source.clone(), block_floor(at));
        let load = Rc::new(Load { source, page, from, done: Signal::new(), outcome: RefCell::new(None) });
        self.pages.insert(key, Page::Loading(Rc::clone(&load)));
        self.queue.push_back(Rc::clone(&load));
        Some(load)
    }

    fn is_loading(&self, key: &PageKey) -> bool {
        matches!(self.pages.get(key), Some(Page::Loading(_)))
    }

    fn forget(&mut self, key: &PageKey) {
        if let Some(Page::Loaded(kept)) = self.pages.remove(key) {
            self.bytes -= kept.page.bytes.len();
            self.clock.retain(|there| there != key);
        }
    }

    fn evict(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let Some(key) = self.clock.pop_front() else { return };
            let Some(Page::Loaded(kept)) = self.pages.get_mut(&key) else { continue };
            if std::mem::take(&mut kept.used) {
                self.clock.push_back(key);
            } else {
                self.bytes -= kept.page.bytes.len();
                self.pages.remove(&key);
                self.evictions += 1;
            }
        }
    }
}
