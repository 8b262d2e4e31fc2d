//! A broker's wire venue with a history, for clients of any language: `cargo run --example serve_venue`, or with
//! `-- <broker>` behind it.
//!
//! Prints its address and what a client signs in with, and serves until its input ends (Ctrl-D).

use std::error::Error;
use std::io::Read;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let known = examples::brokers::named()?;
    let venue = (known.lived)().await?;
    println!("url={}", venue.url());
    for (name, value) in known.signs_in_with {
        println!("{name}={value}");
    }
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    venue.stop().await;
    Ok(())
}
