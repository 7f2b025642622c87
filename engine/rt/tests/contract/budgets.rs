//! Budgets of bytes: the line of those that wait, and what a dropped waiter leaves behind.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use millrace_rt::{ByteBudget, ByteCharge, Task, now, spawn, timeout, yield_now};

use crate::host::on_both;

const SHORT: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_secs(30);

/// The tasks that got their bytes, in order.
type Served = Rc<RefCell<Vec<usize>>>;

/// Spawns a task that takes `bytes` and gives them back at once. Returns when it stands in line.
async fn stand_in_line(budget: &Rc<ByteBudget>, served: &Served, number: usize, bytes: u64) -> Task<()> {
    let waits = budget.waits();
    let (waiting, served) = (Rc::clone(budget), Rc::clone(served));
    let task = spawn(async move {
        let charge = waiting.wait_for(bytes).await;
        served.borrow_mut().push(number);
        yield_now().await;
        drop(charge);
    });
    while budget.waits() == waits {
        yield_now().await;
    }
    task
}

#[test]
fn those_that_wait_for_bytes_are_served_in_order() {
    on_both("budget-order", 1, |_| async {
        let (budget, served) = (ByteBudget::new(10), Served::default());
        let all = budget.try_charge(10).unwrap();
        assert!(budget.try_charge(1).is_none());
        let mut tasks = Vec::new();
        for (number, bytes) in [1, 10, 3, 1, 8].into_iter().enumerate() {
            tasks.push(stand_in_line(&budget, &served, number, bytes).await);
        }
        assert!(budget.has_line());
        drop(all);
        for task in tasks {
            task.await;
        }
        assert_eq!(*served.borrow(), [0, 1, 2, 3, 4]);
        assert_eq!((budget.bytes(), budget.waits(), budget.has_line()), (0, 5, false));
    });
}

#[test]
fn a_task_that_wants_much_is_not_starved_by_those_that_want_little() {
    on_both("budget-fairness", 1, |_| async {
        let (budget, served) = (ByteBudget::new(10), Served::default());
        let mut held: Vec<ByteCharge> = (0..5).map(|_| budget.try_charge(2).unwrap()).collect();
        let large = stand_in_line(&budget, &served, 0, 10).await;
        while held.pop().is_some() {
            assert!(budget.try_charge(1).is_none(), "the one in line comes first, whatever is free");
            assert!(timeout(SHORT / 10, budget.wait_for(1)).await.is_none() || held.is_empty());
        }
        large.await;
        assert_eq!(*served.borrow(), [0]);
        assert!(budget.try_charge(10).is_some());
    });
}

#[test]
fn a_waiter_that_is_dropped_leaves_nothing() {
    on_both("budget-dropped", 1, |_| async {
        let (budget, served) = (ByteBudget::new(4), Served::default());
        let mut held = budget.try_charge(4).unwrap();
        assert!(timeout(SHORT, budget.wait_for(4)).await.is_none());
        assert!(!budget.has_line());
        // The first of the line leaves: the next one has its turn at once, for it wants what is free.
        let mut first = Box::pin(budget.wait_for(3));
        assert!(timeout(Duration::ZERO, &mut first).await.is_none());
        let second = stand_in_line(&budget, &served, 2, 1).await;
        held.resize(2);
        assert!(served.borrow().is_empty());
        drop(first);
        assert_eq!(timeout(LONG, second).await, Some(()));
        assert_eq!((budget.bytes(), budget.has_line()), (2, false));
        // One from the middle of the line leaves.
        held.resize(4);
        let third = stand_in_line(&budget, &served, 3, 4).await;
        let mut middle = Box::pin(budget.wait_for(1));
        assert!(timeout(SHORT, &mut middle).await.is_none());
        let fourth = stand_in_line(&budget, &served, 4, 4).await;
        drop(middle);
        drop(held);
        third.await;
        fourth.await;
        assert_eq!(*served.borrow(), [2, 3, 4]);
        assert_eq!((budget.bytes(), budget.has_line()), (0, false));
    });
}

#[test]
fn a_reservation_is_granted_by_its_deadline_or_not_at_all() {
    on_both("budget-deadline", 1, |_| async {
        let budget = ByteBudget::new(4);
        let half = |in_use: u64| (in_use <= 2).then_some((2, in_use));
        let held = budget.try_charge(3).unwrap();
        assert!(budget.reserve_by(now() + SHORT, half).await.is_none());
        assert!(budget.reserve_by(now(), half).await.is_none());
        assert_eq!((budget.bytes(), budget.has_line()), (3, false));
        let waiting = Rc::clone(&budget);
        let task = spawn(async move { waiting.reserve_by(now() + LONG, half).await });
        while budget.waits() < 3 {
            yield_now().await;
        }
        drop(held);
        let (charge, in_use) = task.await.unwrap();
        assert_eq!((charge.bytes(), in_use, budget.bytes()), (2, 0, 2));
    });
}

#[test]
fn a_budget_may_be_exceeded_where_bytes_are_there_already() {
    on_both("budget-exceeded", 1, |_| async {
        let budget = ByteBudget::new(4);
        let (one, two) = (budget.charge(3), budget.charge(3));
        assert_eq!((budget.bytes(), budget.bytes_max()), (6, 4));
        let waiting = Rc::clone(&budget);
        let task = spawn(async move { waiting.wait_until(|in_use| in_use <= 3).await });
        while budget.waits() == 0 {
            yield_now().await;
        }
        assert!(!budget.has_line(), "it takes no place in the line");
        drop(one);
        assert_eq!(timeout(LONG, task).await, Some(()));
        drop(two);
        assert_eq!(budget.bytes(), 0);
    });
}
