"""The front ends: the workbench and the headless run, over one client."""
