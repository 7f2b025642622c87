//! Names of the standard library that say nothing about whose method is called,
//! and those that lead to a value inside.

/// Types that lend or own one value: a method of what is inside is called through them.
const WRAPPERS: &str = "\
    Rc Arc Box RefCell Cell OnceCell Mutex Ref RefMut Pin Option Result ManuallyDrop Cow Weak";

/// Types that hold many values: what is known of the last one that they name is known of each value.
const COLLECTIONS: &str = "\
    Vec VecDeque BTreeMap BTreeSet FxHashMap FxHashSet HashMap HashSet BinaryHeap";

/// Methods of collections, and of what goes through them, that lead to one value.
const PICKING: &str = "\
    get get_mut first first_mut last last_mut pop pop_front pop_back front front_mut back back_mut next find \
    remove swap_remove min_by_key max_by_key peek entry or_default or_insert_with";

/// Those that lead to the same values.
const PASSING_ALL: &str = "\
    iter iter_mut into_iter values values_mut into_values drain rev filter skip take chain cloned copied \
    borrow borrow_mut as_slice clone split_off take_while skip_while as_ref as_mut collect";

/// Methods that give what their receiver holds, or the receiver itself.
const PASSING: &str = "\
    as_deref as_deref_mut as_mut as_ref borrow borrow_mut by_ref clone cloned copied deref expect get \
    inspect lock map_err ok ok_or ok_or_else or replace take to_owned unwrap unwrap_or \
    unwrap_or_default unwrap_or_else upgrade downgrade try_borrow_mut";

/// Functions of wrappers whose first argument is what they give.
const WRAPPING: &str = "\
    new clone Some Ok downgrade upgrade from pin";

/// Methods that many types have: one of that name says nothing of its receiver.
const ORDINARY: &str = "\
    add append as_slice all any chain clear cmp collect contains contains_key count drain entry \
    enumerate eq extend filter find first flush fold for_each get get_mut insert into_iter is_empty \
    is_some iter iter_mut join keys last len map max min new next poll pop position push read recv \
    remove replace retain reverse rev send set skip sort split split_at sum swap take then truncate \
    values wait write zip default fmt from into clone drop with";

/// Traits of the standard library.
const STD_TRAITS: &str = "\
    Add AddAssign AsRef Borrow Clone Copy Debug Default Deref DerefMut Display Drop Eq Error Extend \
    From FromIterator FromStr Future Hash Index IndexMut Into IntoIterator Iterator \
    DoubleEndedIterator ExactSizeIterator Neg Not Ord PartialEq PartialOrd Send Sub SubAssign Sum Sync \
    TryFrom Write Read Unpin Wake";

pub(super) fn is_wrapper(name: &str) -> bool {
    holds(WRAPPERS, name)
}

pub(super) fn is_collection(name: &str) -> bool {
    holds(COLLECTIONS, name)
}

pub(super) fn picks(method: &str) -> bool {
    holds(PICKING, method)
}

pub(super) fn passes_all(method: &str) -> bool {
    holds(PASSING_ALL, method)
}

pub(super) fn passes(method: &str) -> bool {
    holds(PASSING, method)
}

pub(super) fn wraps(function: &str) -> bool {
    holds(WRAPPING, function)
}

pub(super) fn is_ordinary(method: &str) -> bool {
    holds(ORDINARY, method)
}

pub(super) fn is_of_std(name: &str) -> bool {
    holds(STD_TRAITS, name)
}

fn holds(words: &str, name: &str) -> bool {
    words.split_whitespace().any(|word| word == name)
}
