"""Intel Loihi 2: any neuron model as integer text, graded spikes, costs scaled from Loihi 1."""
