"""Phase-change-memory crossbars: devices, converters, wires, tiles and what a read costs."""
