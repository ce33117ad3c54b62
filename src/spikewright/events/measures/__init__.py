"""Measures of recordings: rates, histograms, hot pixels, gaps, bandwidth, noise filters scored, optical flow."""
