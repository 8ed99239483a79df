"""The whole sky: every healpix pixel of a range of declinations is tested."""
