//! The repair of a store, and what is said of it.
use super::Failure;
use michub::server::{
    clock::Clock,
    config::{Config, StoreKind},
    run,
    store::fjall::Repair,
};

/// Repairs the configured store and prints every finding.
pub fn repair(config: &Config, accept_empty: bool) -> Result<(), Failure> {
    if config.store.kind == StoreKind::Redis {
        let report = run::repair_redis(config, accept_empty)?;
        for finding in &report.findings {
            println!("{finding}");
        }
        println!("{} rooms are whole", report.rooms);
        return Ok(());
    }
    let stamp = Clock::new().wall_seconds().to_string();
    let report = Repair { dir: config.data.dir.clone(), accept_empty, stamp }.run()?;
    for finding in &report.findings {
        println!("{finding}");
    }
    match &report.copy {
        Some(copy) => println!("repaired; {} rooms were whole; the store as it was: {}", report.rooms, copy.display()),
        None => println!("nothing was wrong; {} rooms are whole", report.rooms),
    }
    Ok(())
}
