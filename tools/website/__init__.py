"The documentation site: pages from the stored notebooks, an API from the docments; nothing is executed, nothing is asked of the network."
