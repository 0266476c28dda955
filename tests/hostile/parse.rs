//! Reads the hardest frames so and so often, for `cargo xtask measure parse`: `parse NUMBER TIMES` reads one of them, `parse` names them all.
#[allow(dead_code, reason = "main.rs has more to do with it")]
mod worst;

use michub::wire::client;
use std::hint::black_box;

fn main() {
    let frames = worst::frames();
    let mut args = std::env::args().skip(1).filter_map(|arg| arg.parse::<usize>().ok());
    let (Some(number), Some(times)) = (args.next(), args.next()) else {
        for (name, text) in &frames {
            println!("{name}: {} bytes", text.len());
        }
        return;
    };
    if let Some((_, text)) = frames.get(number) {
        for _ in 0..times {
            // What becomes of it is not the question here.
            let _ = black_box(client::parse(black_box(text)));
        }
    }
}
