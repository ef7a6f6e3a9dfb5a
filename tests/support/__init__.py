"""What tests share: real repositories, real clients, real servers."""
