// SPDX-License-Identifier: BSD-3-Clause
//! Threads: one lazily built pool per process and size. The only file that names rayon.
//!
//! A forked child inherits the memory of its parent's pool but none of its threads, and the first
//! job given to it would wait for ever. Pools are therefore looked up by process id, and a child
//! builds its own; the parent's pool object stays in the list and is never dropped there.

use rayon::prelude::*;
use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Node {
    process: u32,
    size: usize,
    pool: Option<rayon::ThreadPool>,
    next: OnceLock<Box<Node>>,
}

static POOLS: OnceLock<Box<Node>> = OnceLock::new();
static REQUESTED: AtomicUsize = AtomicUsize::new(0);
static DEFAULT: OnceLock<usize> = OnceLock::new();

thread_local! {
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Whether kernels called from this thread use it alone: for threads that work on something each,
/// which would only be in the way of each other in a pool.
pub fn set_alone(alone: bool) {
    ALONE.set(alone);
}

/// Sets the number of threads of later kernel calls; 0 goes back to the default.
pub fn set_num_threads(n: usize) {
    REQUESTED.store(n, Ordering::Relaxed);
}

/// Number of threads a kernel call uses now: 1 in a thread of [`set_alone`], the number set, else `RAYON_NUM_THREADS`, else what
/// the machine (affinity and cgroup quota included) allows.
pub fn num_threads() -> usize {
    if ALONE.get() {
        return 1;
    }
    match REQUESTED.load(Ordering::Relaxed) {
        0 => *DEFAULT.get_or_init(default_threads),
        n => n,
    }
}

fn default_threads() -> usize {
    let asked = std::env::var("RAYON_NUM_THREADS")
        .ok()
        .and_then(|s| s.trim().parse().ok());
    match asked {
        Some(n) if n > 0 => n,
        _ => std::thread::available_parallelism().map_or(1, usize::from),
    }
}

/// Finds the pool of this process and size, or appends one. The list only grows (by one entry for
/// each size used), and no lock is held while threads start, so that a fork at any time is safe.
fn pool(size: usize) -> Option<&'static rayon::ThreadPool> {
    let process = std::process::id();
    let mut slot = &POOLS;
    let mut fresh: Option<Box<Node>> = None;
    loop {
        if let Some(node) = slot.get() {
            if node.process == process && node.size == size {
                return node.pool.as_ref();
            }
            slot = &node.next;
            continue;
        }
        let node = fresh.take().unwrap_or_else(|| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(size)
                .thread_name(|i| format!("deepcoadd-{i}"))
                .build()
                .ok();
            Box::new(Node {
                process,
                size,
                pool,
                next: OnceLock::new(),
            })
        });
        // Another thread may have been first: keep ours for the next free place, or drop it when
        // the look-up finds an equal one.
        fresh = slot.set(node).err();
    }
}

/// Calls `work` once for every job, on [`num_threads`] threads; the order is free, so jobs must
/// write to disjoint places. Results come back in the order of the jobs.
pub fn map<J: Send, R: Send>(jobs: Vec<J>, work: impl Fn(J) -> R + Sync + Send) -> Vec<R> {
    let size = num_threads().min(jobs.len());
    if size > 1 {
        // Machines that refuse more threads still get their result, on one.
        if let Some(pool) = pool(num_threads()) {
            return pool.install(|| jobs.into_par_iter().with_max_len(1).map(&work).collect());
        }
    }
    jobs.into_iter().map(work).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_for_any_number_of_threads() {
        for n in [1, 2, 3] {
            set_num_threads(n);
            assert_eq!(num_threads(), n);
            let squares = map((0..100_u64).collect(), |i| i * i);
            assert_eq!(squares, (0..100).map(|i| i * i).collect::<Vec<_>>());
        }
        set_num_threads(0);
        assert!(num_threads() >= 1);
    }

    #[test]
    fn a_thread_that_works_alone_does_all_jobs() {
        let worker = std::thread::spawn(|| {
            set_alone(true);
            let own = std::thread::current().id();
            let all_here = map(vec![(); 9], |()| std::thread::current().id() == own);
            (num_threads(), all_here)
        });
        let (n, all_here) = worker.join().expect("no panic");
        assert_eq!((n, all_here), (1, vec![true; 9]));
    }
}
