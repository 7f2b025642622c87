//! Which parts of memory chunks are free: a buddy allocator over numbers, without the memory itself.

/// The smallest block: a page.
pub(crate) const PAGE_BYTES: usize = 4096;
/// The largest block: a whole chunk, which is also the size of a huge page.
pub(crate) const CHUNK_BYTES: usize = PAGE_BYTES << (ORDERS - 1);

/// Block sizes: a page, two, four, up to the chunk.
const ORDERS: usize = 10;
const PAGES: usize = CHUNK_BYTES / PAGE_BYTES;
const WORD: usize = u64::BITS as usize;

/// Where a block lies: its chunk, and its first page there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) chunk: usize,
    pub(crate) page: usize,
}

/// A block that was given back, with the free neighbours it grew together with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Merged {
    pub(crate) place: Place,
    pub(crate) bytes: usize,
}

/// The size class of a block: `PAGE_BYTES << order`. Nothing for sizes that no block has.
pub(crate) fn order_of(bytes: usize) -> Option<usize> {
    (bytes.is_power_of_two() && (PAGE_BYTES..=CHUNK_BYTES).contains(&bytes))
        .then(|| (bytes.trailing_zeros() - PAGE_BYTES.trailing_zeros()) as usize)
}

/// Free blocks of any number of chunks. Blocks come from the chunk with the lowest number that has room, so
/// that chunks with high numbers empty and can be given back.
#[derive(Debug, Default)]
pub(crate) struct Buddies {
    chunks: Vec<Option<Chunk>>,
    /// No chunk before this one has a free block of the order.
    hints: [usize; ORDERS],
    free_pages: usize,
    discarded_pages: usize,
}

#[derive(Debug)]
struct Chunk {
    /// A bit for each free block. The whole chunk is bit 1,
    /// and the halves of bit `n` are bits `2n` and `2n + 1`.
    free: [u64; 2 * PAGES / WORD],
    /// How many bits of each order are set.
    counts: [u16; ORDERS],
    /// Free pages that hold no memory now.
    discarded: [u64; PAGES / WORD],
}

impl Chunk {
    fn whole() -> Chunk {
        let mut chunk = Chunk { free: [0; _], counts: [0; ORDERS], discarded: [0; _] };
        chunk.set(ORDERS - 1, 0);
        chunk
    }

    fn bit(order: usize, page: usize) -> usize {
        (PAGES + page) >> order
    }

    fn is_free(&self, order: usize, page: usize) -> bool {
        let bit = Chunk::bit(order, page);
        self.free[bit / WORD] & (1 << (bit % WORD)) != 0
    }

    fn set(&mut self, order: usize, page: usize) {
        let bit = Chunk::bit(order, page);
        self.free[bit / WORD] |= 1 << (bit % WORD);
        self.counts[order] += 1;
    }

    fn clear(&mut self, order: usize, page: usize) {
        let bit = Chunk::bit(order, page);
        self.free[bit / WORD] &= !(1 << (bit % WORD));
        self.counts[order] -= 1;
    }

    /// The smallest free block that holds one of `order`.
    fn fitting(&self, order: usize) -> Option<usize> {
        (order..ORDERS).find(|&order| self.counts[order] > 0)
    }

    fn first(&self, order: usize) -> usize {
        let (begin, end) = (Chunk::bit(order, 0), 2 * Chunk::bit(order, 0));
        let mut words = (begin / WORD..end.div_ceil(WORD)).map(|word| {
            // An order may share its word with smaller numbers, which are larger blocks, or with larger ones.
            let low = u64::MAX << begin.saturating_sub(word * WORD);
            let high = u64::MAX >> ((word + 1) * WORD).saturating_sub(end);
            (word, self.free[word] & low & high)
        });
        let (word, bits) =
            words.find(|(_, bits)| *bits != 0).unwrap_or_else(|| unreachable!("counted as free"));
        (word * WORD + bits.trailing_zeros() as usize - begin) << order
    }

    fn discarded_in(&self, page: usize, pages: usize) -> usize {
        words(page, pages).map(|(word, mask)| (self.discarded[word] & mask).count_ones() as usize).sum()
    }

    fn mark_discarded(&mut self, page: usize, pages: usize, discarded: Discarded) {
        for (word, mask) in words(page, pages) {
            match discarded {
                Discarded::Yes => self.discarded[word] |= mask,
                Discarded::No => self.discarded[word] &= !mask,
            }
        }
    }
}

/// The words with the bits of a block's pages, and those bits. A block is as long as its place is aligned.
fn words(page: usize, pages: usize) -> impl Iterator<Item = (usize, u64)> {
    let mask = (u64::MAX >> (WORD - pages.min(WORD))) << (page % WORD);
    (page / WORD..(page + pages).div_ceil(WORD)).map(move |word| (word, mask))
}

#[derive(Clone, Copy)]
enum Discarded {
    Yes,
    No,
}

impl Buddies {
    /// Adds a chunk that is free as a whole and holds no memory yet; answers its number.
    pub(crate) fn add_chunk(&mut self) -> usize {
        let vacant = self.chunks.iter().position(Option::is_none).unwrap_or(self.chunks.len());
        if vacant == self.chunks.len() {
            self.chunks.push(None);
        }
        let mut chunk = Chunk::whole();
        chunk.mark_discarded(0, PAGES, Discarded::Yes);
        self.chunks[vacant] = Some(chunk);
        self.free_pages += PAGES;
        self.discarded_pages += PAGES;
        self.hints.iter_mut().for_each(|hint| *hint = (*hint).min(vacant));
        vacant
    }

    /// Forgets a chunk that is free as a whole.
    pub(crate) fn remove_chunk(&mut self, number: usize) {
        let chunk = self.chunks[number].take().unwrap_or_else(|| unreachable!("only chunks that were added"));
        assert!(chunk.is_free(ORDERS - 1, 0), "a chunk with blocks in use stays");
        self.free_pages -= PAGES;
        self.discarded_pages -= chunk.discarded_in(0, PAGES);
    }

    /// A free block of `PAGE_BYTES << order`; none: add a chunk.
    pub(crate) fn take(&mut self, order: usize) -> Option<Place> {
        let hint = self.hints[order];
        let fits = |chunk: &Option<Chunk>| chunk.as_ref().is_some_and(|chunk| chunk.fitting(order).is_some());
        let number = self.chunks.iter().skip(hint).position(fits).map(|found| hint + found);
        self.hints[order] = number.unwrap_or(self.chunks.len());
        let chunk = self.chunks[number?].as_mut()?;
        let mut split = chunk.fitting(order)?;
        let page = chunk.first(split);
        chunk.clear(split, page);
        while split > order {
            split -= 1;
            chunk.set(split, page + (1 << split));
        }
        let pages = 1 << order;
        self.free_pages -= pages;
        let discarded = chunk.discarded_in(page, pages);
        if discarded > 0 {
            self.discarded_pages -= discarded;
            chunk.mark_discarded(page, pages, Discarded::No);
        }
        Some(Place { chunk: number?, page })
    }

    /// Takes a block back.
    pub(crate) fn give(&mut self, place: Place, order: usize) -> Merged {
        let chunk = self.chunks[place.chunk].as_mut();
        let chunk = chunk.unwrap_or_else(|| unreachable!("a block lies in a chunk that was added"));
        self.free_pages += 1 << order;
        let (mut order, mut page) = (order, place.page);
        assert!(!chunk.is_free(order, page), "a block is given back once");
        while order + 1 < ORDERS && chunk.is_free(order, page ^ (1 << order)) {
            chunk.clear(order, page ^ (1 << order));
            page &= !(1 << order);
            order += 1;
        }
        chunk.set(order, page);
        self.hints[..=order].iter_mut().for_each(|hint| *hint = (*hint).min(place.chunk));
        Merged { place: Place { chunk: place.chunk, page }, bytes: PAGE_BYTES << order }
    }

    /// The memory of this free block was given to the system; it comes back, zeroed, when it is used again.
    pub(crate) fn discard(&mut self, merged: Merged) {
        let Some(chunk) = self.chunks[merged.place.chunk].as_mut() else { return };
        let pages = merged.bytes / PAGE_BYTES;
        self.discarded_pages += pages - chunk.discarded_in(merged.place.page, pages);
        chunk.mark_discarded(merged.place.page, pages, Discarded::Yes);
    }

    /// Free bytes that hold memory.
    pub(crate) fn pooled_bytes(&self) -> usize {
        (self.free_pages - self.discarded_pages) * PAGE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(order: usize) -> usize {
        order_of(PAGE_BYTES << order).unwrap()
    }

    #[test]
    fn sizes_have_orders() {
        let cases = [
            (4096, Some(0)),
            (8192, Some(1)),
            (2 << 20, Some(9)),
            (4 << 20, None),
            (2048, None),
            (12288, None),
        ];
        for (bytes, order) in cases {
            assert_eq!(order_of(bytes), order, "{bytes}");
        }
    }

    #[test]
    fn blocks_split_and_grow_together_again() {
        let mut buddies = Buddies::default();
        assert_eq!(buddies.take(page(0)), None);
        buddies.add_chunk();
        let first = buddies.take(page(0)).unwrap();
        let second = buddies.take(page(0)).unwrap();
        let large = buddies.take(page(8)).unwrap();
        assert_eq!((first.page, second.page, large.page), (0, 1, 256));
        assert_eq!(buddies.take(page(8)), None, "the first half has two pages in use");
        assert_eq!(buddies.pooled_bytes(), 0, "what was never used holds no memory");
        assert_eq!(buddies.give(second, page(0)).bytes, PAGE_BYTES);
        assert_eq!(buddies.give(first, page(0)).bytes, 256 * PAGE_BYTES);
        assert_eq!(buddies.pooled_bytes(), 2 * PAGE_BYTES);
        assert_eq!(buddies.give(large, page(8)).bytes, CHUNK_BYTES);
        buddies.remove_chunk(0);
        assert_eq!((buddies.pooled_bytes(), buddies.take(page(0))), (0, None));
    }

    #[test]
    fn low_chunks_come_first() {
        let mut buddies = Buddies::default();
        let numbers = [buddies.add_chunk(), buddies.add_chunk(), buddies.add_chunk()];
        assert_eq!(numbers, [0, 1, 2]);
        let taken: Vec<_> = (0..3).map(|_| buddies.take(page(9)).unwrap()).collect();
        buddies.give(taken[2], page(9));
        buddies.give(taken[1], page(9));
        assert_eq!(buddies.take(page(3)).unwrap().chunk, 1);
        buddies.remove_chunk(2);
        assert_eq!(buddies.add_chunk(), 2, "a number is used again");
    }

    #[test]
    fn discarded_memory_is_not_pooled() {
        let mut buddies = Buddies::default();
        buddies.add_chunk();
        let blocks = [buddies.take(page(4)).unwrap(), buddies.take(page(4)).unwrap()];
        let merged = buddies.give(blocks[0], page(4));
        assert_eq!(buddies.pooled_bytes(), 16 * PAGE_BYTES);
        buddies.discard(merged);
        assert_eq!(buddies.pooled_bytes(), 0);
        let part = buddies.take(page(1)).unwrap();
        assert_eq!(part.page, 0);
        assert_eq!(buddies.give(part, page(1)).bytes, 16 * PAGE_BYTES);
        assert_eq!(buddies.pooled_bytes(), 2 * PAGE_BYTES);
        assert_eq!(buddies.give(blocks[1], page(4)).bytes, CHUNK_BYTES);
        assert_eq!(buddies.pooled_bytes(), 18 * PAGE_BYTES);
    }

    /// Any order of takes and gives: blocks never overlap, and everything grows together in the end.
    #[test]
    fn blocks_never_overlap() {
        use rand_xoshiro::Xoshiro256PlusPlus;
        use rand_xoshiro::rand_core::{Rng, SeedableRng};
        for seed in 0..20 {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
            let (mut buddies, mut held, mut used) = (Buddies::default(), Vec::new(), [[false; PAGES]; 4]);
            buddies.add_chunk();
            for _ in 0..4000 {
                let order = random.next_u32() as usize % ORDERS;
                let takes = !random.next_u32().is_multiple_of(3) || held.is_empty();
                match takes.then(|| buddies.take(order)).flatten() {
                    Some(place) => {
                        let pages = &mut used[place.chunk][place.page..place.page + (1 << order)];
                        assert!(pages.iter().all(|used| !used), "seed {seed}: {place:?} is in use");
                        pages.fill(true);
                        held.push((place, order));
                    }
                    None if takes && buddies.chunks.len() < used.len() => {
                        buddies.add_chunk();
                    }
                    None => {
                        let (place, order) = held.swap_remove(random.next_u32() as usize % held.len());
                        used[place.chunk][place.page..place.page + (1 << order)].fill(false);
                        let merged = buddies.give(place, order);
                        if random.next_u32().is_multiple_of(4) {
                            buddies.discard(merged);
                        }
                    }
                }
            }
            let last = held.into_iter().map(|(place, order)| buddies.give(place, order).bytes).last();
            assert_eq!(last, Some(CHUNK_BYTES), "seed {seed}");
            (0..buddies.chunks.len()).for_each(|number| buddies.remove_chunk(number));
            assert_eq!((buddies.free_pages, buddies.discarded_pages), (0, 0), "seed {seed}");
        }
    }
}
