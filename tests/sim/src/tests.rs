//! A few seeds and every trace that once failed, so that a change of the rooms that the model does not know is found at once.
use crate::{cluster, generate, read, run::run};
use std::path::Path;

#[test]
fn a_few_rooms_do_what_the_model_does() {
    for seed in 0..40 {
        let failure = run(&generate::trace(seed, 120)).failure;
        assert_eq!(failure, None, "`cargo xtask sim --seed {seed}` shows the smallest trace");
    }
}

/// What each of `traces/` once showed stays mended.
#[test]
fn old_findings_stay_mended() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        assert_eq!(run(&read(&file).unwrap()).failure, None, "{}", file.display());
    }
}

#[test]
fn three_nodes_end_on_one_history() {
    for seed in 0..60 {
        assert_eq!(
            cluster::run(&cluster::trace(seed, 120)),
            None,
            "`cargo xtask sim --cluster --seed {seed}` shows the smallest trace"
        );
    }
}
