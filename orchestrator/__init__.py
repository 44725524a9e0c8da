"""Jobs on workers, headless: talks to any worker over ComfyUI's HTTP and websocket protocol, never imports one."""
