"""Turns URIs into bytes and bytes into pixels, under limits and in processes of their own."""
