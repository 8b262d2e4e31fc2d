//! Alpaca's wire venue with a history, for clients of any language: `cargo run --example serve_venue`.
//!
//! Prints its address and keys, and serves until its input ends (Ctrl-D).

use std::error::Error;
use std::io::Read;

use broker_alpaca::venue::AlpacaVenue;
use examples::venue::LocalVenue;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let venue = LocalVenue::start().await?;
    println!("url={}", venue.url());
    println!("APCA_API_KEY_ID={}", AlpacaVenue::KEY_ID);
    println!("APCA_API_SECRET_KEY={}", AlpacaVenue::SECRET_KEY);
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    venue.stop().await;
    Ok(())
}
