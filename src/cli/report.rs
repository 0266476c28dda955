//! What is asked of the history and of a running hub, and printed.
use super::Failure;
use michub::{
    hub::id::RoomId,
    server::{
        config::Config,
        history::{
            remote,
            report::{Ask, NOTHING_DIFFERS, RoomText},
        },
        run,
        store::StoreFault,
    },
};
use std::io::Write;

/// Prints whether the running hub is ready. Errors: it is not, or there is none.
pub fn health(config: &Config) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Output)?;
    println!("{}", runtime.block_on(remote::health(config.admin.listen))?);
    Ok(())
}

/// Replays a room and prints where the result differs from what is stored, or its state. Errors: it differs.
pub fn replay(config: &Config, room: RoomId, until: Option<u64>, state: bool) -> Result<(), Failure> {
    let tail = print(config, Ask::Replay { room: RoomText(room), until_ms: until.unwrap_or(u64::MAX), state })?;
    let good = state || String::from_utf8_lossy(&tail).trim_end().ends_with(NOTHING_DIFFERS);
    if good { Ok(()) } else { Err(Failure::Differs) }
}

/// Prints a report: from the store if no hub has it, else from the hub that runs. Returns its last piece.
pub fn print(config: &Config, ask: Ask) -> Result<Vec<u8>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Output)?;
    runtime.block_on(async {
        let (out, mut pieces) = tokio::sync::mpsc::channel(4);
        let opened = run::open_history(config).await;
        let admin = config.admin.listen;
        let writing = async move {
            match opened {
                Ok(history) => history.report(ask, out).await,
                Err(StoreFault::Locked) => remote::fetch(admin, &ask, out).await,
                Err(fault) => drop(out.send(Err(fault.into())).await),
            }
        };
        let printing = async {
            let mut last = Vec::new();
            let mut stdout = std::io::stdout().lock();
            while let Some(piece) = pieces.recv().await {
                let piece = piece?;
                match stdout.write_all(&piece) {
                    // Whoever reads has enough.
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(last),
                    written => written.map_err(Failure::Output)?,
                }
                last = piece.to_vec();
            }
            stdout.flush().map_err(Failure::Output)?;
            Ok(last)
        };
        tokio::join!(writing, printing).1
    })
}
