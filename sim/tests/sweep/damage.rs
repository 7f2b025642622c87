//! Damaged journals: the last frame's bytes cut, zeroed and garbled, an earlier frame garbled.

use millrace_sim::sweep::{Damage, DamageBench};

/// Bytes of a frame that a sample of the sweep damages: its header, the first heads, and some of the rest.
fn sampled(frame_bytes: usize) -> impl Iterator<Item = usize> {
    let first = (0..200).step_by(39);
    let rest = (200..frame_bytes).step_by((frame_bytes / 5).max(1));
    first.chain(rest).chain([frame_bytes - 1]).filter(move |at| *at < frame_bytes)
}

#[test]
fn a_torn_last_frame_gives_the_prefix_before_it() {
    let bench = DamageBench::new(11);
    let frame_bytes = bench.last_frame_bytes();
    for (number, at) in sampled(frame_bytes).enumerate() {
        let damage = [Damage::Cut, Damage::Zero, Damage::Garble][number % 3];
        let violations = bench.damage_last(damage, at).unwrap_or_default();
        assert_eq!(violations, Vec::<String>::new(), "{damage:?} at {at} of {frame_bytes}");
    }
}

#[test]
fn a_damaged_acknowledged_frame_is_refused() {
    let bench = DamageBench::new(12);
    for number in 0..bench.acknowledged_frames().min(5) {
        assert_eq!(bench.garble_earlier(number, 61 * number), Vec::<String>::new());
    }
}
