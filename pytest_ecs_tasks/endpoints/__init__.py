"""HTTP that containers and SDKs call."""
