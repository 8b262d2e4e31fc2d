//! Prints the README's table of brokers and abilities: `cargo run --example abilities`.

use broker_alpaca::{AlpacaBroker, AlpacaConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let alpaca = AlpacaBroker::new(AlpacaConfig::new("any", "any"))?;
    println!(
        "{}\n{}\n{}",
        examples::abilities::BEGIN,
        examples::abilities::table(&[("Alpaca", &alpaca)]),
        examples::abilities::END
    );
    Ok(())
}
