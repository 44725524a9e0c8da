"""The probe: small nodes, graphs of them, and the means to put these to any server that speaks ComfyUI's protocol."""
