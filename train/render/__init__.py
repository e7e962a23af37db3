"""The project's own footage, modelled and rendered by a script: nobody's photographs, nothing downloaded.

Everything is made here: meshes and materials with Blender's Python module, the print on labels with OpenCV.
Development only; the edge and its tests need the finished clip, never Blender. bpy 5.0 exists for Python 3.11 alone:

    python3.11 -m venv .venv-render
    .venv-render/bin/pip install "bpy==5.0.1" "opencv-python-headless<4.13" imageio-ffmpeg tqdm
    .venv-render/bin/python -m train.render clip --out edge/sim/footage

(OpenCV is held below 4.13 because bpy 5.0 was built against NumPy 1.) The modules that need bpy import it themselves,
so `import train.render` works everywhere. One Blender unit is a decimetre.
"""
