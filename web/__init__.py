"What explorers show in a browser."
